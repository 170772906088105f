"""Five small networks for grey 28 x 28 images, the same in cycnn and in PyTorch.

Each is a list of layers: ("conv", outputs, kernel, padding), ("pool", size), ("relu",),
("linear", outputs).
"""

import math

import cycnn as cn

SHAPE = (1, 28, 28)
CLASSES = 10

NETS = {
    "A": [("conv", 8, 3, 0), ("pool", 2), ("linear", 10)],
    "B": [("conv", 6, 5, 2), ("relu",), ("conv", 6, 5, 2), ("relu",), ("pool", 2),
          ("linear", 10)],
    "C": [("conv", 16, 5, 2), ("relu",), ("conv", 32, 5, 2), ("relu",), ("linear", 100),
          ("relu",), ("linear", 10)],
    "D": [("conv", 32, 3, 0), ("relu",), ("conv", 64, 3, 0), ("relu",), ("pool", 2),
          ("linear", 128), ("relu",), ("linear", 10)],
    "E": [("conv", 32, 5, 2), ("relu",), ("pool", 2), ("conv", 64, 5, 2), ("relu",), ("pool", 2),
          ("linear", 512), ("relu",), ("linear", 10)],
}


def cases(names, batches, quick):
    """(network, batch size) of those asked for, or of all."""
    return [(name, batch) for name in names or NETS
            for batch in batches or ((1, 8) if quick else (1, 32, 128))]


def describe(name):
    """The network in a line: ``conv3x3(8), pool2, linear10``."""
    words = {"conv": lambda k, size, pad: f"conv{size}x{size}({k}{', same' * bool(pad)})",
             "pool": lambda size: f"pool{size}", "relu": lambda: "relu",
             "linear": lambda k: f"linear{k}"}
    return ", ".join(words[kind](*numbers) for kind, *numbers in NETS[name])


def walk(name):
    """Yield (kind, numbers, inputs, outputs) of each layer, the last two as (C, H, W)."""
    shape = SHAPE
    for kind, *numbers in NETS[name]:
        c, h, w = inputs = shape
        if kind == "conv":
            outputs, kernel, padding = numbers
            grown = 2 * padding - kernel + 1
            shape = outputs, h + grown, w + grown
        elif kind == "pool":
            shape = c, h // numbers[0], w // numbers[0]
        elif kind == "linear":
            shape = numbers[0], 1, 1
        yield kind, numbers, inputs, shape


def build(name, library=cn):
    """The network as a Sequential of `library`: cycnn, or torch.nn; the names are the same."""
    layers, flat = [], False
    for kind, numbers, inputs, _ in walk(name):
        if kind == "conv":
            outputs, kernel, padding = numbers
            layers.append(library.Conv2d(inputs[0], outputs, kernel, padding=padding))
        elif kind == "pool":
            layers.append(library.MaxPool2d(*numbers))
        elif kind == "relu":
            layers.append(library.ReLU())
        else:
            layers += [] if flat else [library.Flatten()]
            flat = True
            layers.append(library.Linear(math.prod(inputs), *numbers))
    return library.Sequential(*layers)


def training_operations(name, batch):
    """Floating-point operations of the convolutions and linear layers in one training step.

    Two a multiply-add; forward, weight gradient and, but for the first layer, input gradient.
    """
    first, *others = _multiply_adds(name)
    return 2 * batch * (2 * first + 3 * sum(others))


def inference_operations(name, batch):
    """The same of one forward pass."""
    return 2 * batch * sum(_multiply_adds(name))


def _multiply_adds(name):
    """Yield those that one image needs in each convolution and linear layer."""
    for kind, numbers, inputs, outputs in walk(name):
        if kind in ("conv", "linear"):
            reach = inputs[0] * numbers[1] ** 2 if kind == "conv" else math.prod(inputs)
            yield math.prod(outputs) * reach
