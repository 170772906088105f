"""The network that ``cycnn train`` trains."""

from ..layers import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential
from ._shape import images_and_classes

_CHANNELS = [32, 64, 128]
# Pooling stops where an image is no higher or wider than this.
_SMALL = 7


def convnet(input_shape, classes):
    """A small network of 3x3 convolutions: the one that ``cycnn train`` trains.

    Stages of convolution, ReLU and 2x2 max-pooling follow each other, at least two of them, until
    the image is at most 7x7; a side that is so small already is pooled no more. The first stage has
    32 channels, the second 64, all further ones 128. A linear layer gives one logit a class.

    Parameters
    ----------
    input_shape : (int, int, int)
        The images' (C, H, W).
    classes : int
        The number of classes.

    Returns
    -------
    cycnn.Sequential

    Examples
    --------
    >>> print(convnet((1, 28, 28), 10))
    Sequential(
      (0): Conv2d(1, 32, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
      (1): ReLU()
      (2): MaxPool2d(kernel_size=(2, 2), stride=(2, 2))
      (3): Conv2d(32, 64, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
      (4): ReLU()
      (5): MaxPool2d(kernel_size=(2, 2), stride=(2, 2))
      (6): Flatten()
      (7): Linear(in_features=3136, out_features=10)
    )
    """
    (channels, height, width), classes = images_and_classes(input_shape, classes)
    layers = []
    stage = 0
    while stage < 2 or max(height, width) > _SMALL:
        out_channels = _CHANNELS[min(stage, len(_CHANNELS) - 1)]
        layers += [Conv2d(channels, out_channels, 3, padding=1), ReLU()]
        kernel = tuple(2 if size > _SMALL else 1 for size in (height, width))
        if kernel != (1, 1):
            layers.append(MaxPool2d(kernel))
        channels, height, width = out_channels, height // kernel[0], width // kernel[1]
        stage += 1
    return Sequential(*layers, Flatten(), Linear(channels * height * width, classes))
