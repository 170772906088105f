"""The shape check of seed 000: through two "same" convolutions with untied biases, and back."""

import numpy as np

import cycnn as cn

COLOUR, MAPS, POOLED = (3, 28, 28), (6, 28, 28), (6, 14, 14)
PUBLISHED = [COLOUR, *[MAPS] * 4, POOLED, (10,), POOLED, *[MAPS] * 4, COLOUR]


def shapes(channels):
    """The shape of each step, {name: shape}: forward, and then backward, for one 28x28 image."""
    conv1, conv2 = (cn.Conv2d(depth, 6, 5, padding="same", untied_bias=28)
                    for depth in (channels, 6))
    layers = {"conv1": conv1, "relu1": cn.ReLU(), "conv2": conv2, "relu2": cn.ReLU(),
              "pool": cn.MaxPool2d(2), "softmax": cn.Sequential(cn.Flatten(), cn.Linear(1176, 10))}
    x = np.linspace(-0.5, 0.5, 784 * channels, dtype=np.float32).reshape(1, channels, 28, 28)
    seen = {"input": x.shape[1:]}
    for name, layer in layers.items():
        x = layer.forward(x)
        seen[name] = x.shape[1:]
    gradient = cn.functional.cross_entropy_backward(x, np.array([5]))
    for name, layer in reversed(layers.items()):
        gradient = layer.backward(gradient)
        seen[f"{name}, backward"] = gradient.shape[1:]
    return seen


def report():
    """Print the published shapes and ours, for colour and for grey; how many are as published."""
    colour, grey = shapes(3), shapes(1)
    print("\n| shape | published | here, colour | here, grey |", "|---|---|---|---|", sep="\n")
    for published, name in zip(PUBLISHED, colour):
        print(f"| {name} | {published} | {colour[name]} | {grey[name]} |")
    return sum(map(tuple.__eq__, PUBLISHED, colour.values()))
