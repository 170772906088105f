"""Two networks for grey digits that everybody knows."""

from ..layers import Conv2d, Dropout, Flatten, Linear, MaxPool2d, ReLU, Sequential
from ._shape import at_least, images_and_classes


def lenet5(input_shape=(1, 28, 28), classes=10):
    """LeNet-5: two convolutions of 5x5 with pooling, three linear layers.

    With ReLU and max-pooling, as it is trained today, where the original has tanh and averages.
    Images of 32 x 32 go in as they are, others with two zeros around them, so that those of MNIST
    become the 32 x 32 of the original. 61,706 parameters for MNIST.

    Parameters
    ----------
    input_shape : (int, int, int)
        The images' (C, H, W), at least 12 x 12 pixels.
    classes : int
        The number of classes.

    Returns
    -------
    cycnn.Sequential

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition",
    Proc. IEEE 86 (1998).
    """
    shape, classes = images_and_classes(input_shape, classes)
    at_least(shape, 12, "lenet5")
    channels, height, width = shape
    padding = 0 if (height, width) == (32, 32) else 2
    features = 16 * _after(height, padding) * _after(width, padding)
    return Sequential(
        Conv2d(channels, 6, 5, padding=padding), ReLU(), MaxPool2d(2),
        Conv2d(6, 16, 5), ReLU(), MaxPool2d(2),
        Flatten(),
        Linear(features, 120), ReLU(),
        Linear(120, 84), ReLU(),
        Linear(84, classes))


def mnist_example(input_shape=(1, 28, 28), classes=10):
    """The network of PyTorch's MNIST example.

    Two convolutions of 3x3 with 32 and 64 channels, one pool, dropout of 0.25 and 0.5, two linear
    layers. It ends with logits; the example's log-softmax is part of the loss here. 1,199,882
    parameters for MNIST.

    Parameters
    ----------
    input_shape : (int, int, int)
        The images' (C, H, W), at least 6 x 6 pixels.
    classes : int
        The number of classes.

    Returns
    -------
    cycnn.Sequential

    References
    ----------
    https://github.com/pytorch/examples/blob/main/mnist/main.py
    """
    shape, classes = images_and_classes(input_shape, classes)
    at_least(shape, 6, "mnist_example")
    channels, height, width = shape
    return Sequential(
        Conv2d(channels, 32, 3), ReLU(),
        Conv2d(32, 64, 3), ReLU(), MaxPool2d(2), Dropout(0.25),
        Flatten(),
        Linear(64 * ((height - 4) // 2) * ((width - 4) // 2), 128), ReLU(), Dropout(0.5),
        Linear(128, classes))


def _after(size, padding):
    """A side behind both convolutions and pools of LeNet-5."""
    return ((size + 2 * padding - 4) // 2 - 4) // 2
