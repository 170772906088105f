"""A network of depthwise-separable convolutions: few parameters and few multiplications."""

from ..layers import Flatten, GlobalAvgPool2d, Linear, ReLU, Sequential
from ._shape import channels_and_classes
from .resnet import convolution

# Channels and stride of each block.
_BLOCKS = [(64, 1), (128, 2), (128, 1), (192, 2), (192, 1)]


def mobile_small(input_shape=1, classes=10):
    """A small MobileNet: a convolution of 3x3, then five depthwise-separable blocks.

    A block is a depthwise convolution of 3x3, which sees each channel alone, and one of 1x1, which
    mixes them; each with batch normalisation and ReLU. Two of the blocks have stride 2. The mean
    over the image and a linear layer give one logit a class. 97,738 parameters for 1 channel and 10
    classes.

    Parameters
    ----------
    input_shape : (int, int, int) or int
        The images' (C, H, W), or C alone: the network takes images of any size.
    classes : int
        The number of classes.

    Returns
    -------
    cycnn.Sequential

    References
    ----------
    Howard et al., 2017 (arXiv:1704.04861).
    """
    channels, classes = channels_and_classes(input_shape, classes)
    layers = [*convolution(channels, 32), ReLU()]
    channels = 32
    for width, stride in _BLOCKS:
        layers += separable(channels, width, stride)
        channels = width
    return Sequential(*layers, GlobalAvgPool2d(), Flatten(), Linear(channels, classes))


def separable(channels, width, stride=1):
    """The layers of a depthwise-separable block."""
    return [*convolution(channels, channels, 3, stride, groups=channels), ReLU(),
            *convolution(channels, width, 1), ReLU()]
