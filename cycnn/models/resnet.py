"""Residual networks for small images, as in the CIFAR-10 part of the paper."""

from .. import init
from ..layers import (BatchNorm2d, Conv2d, Flatten, GlobalAvgPool2d, Linear, Parameter, ReLU,
                      Residual, Sequential)
from ._shape import channels_and_classes


def resnet8(input_shape=3, classes=10):
    """A residual network of 8 layers: one block of two convolutions at 16, 32 and 64 channels.

    Parameters and result as for :func:`resnet20`. 78,042 parameters for 3 channels and 10 classes.
    """
    return _resnet(input_shape, classes, 1)


def resnet20(input_shape=3, classes=10):
    """A residual network of 20 layers: three blocks each at 16, 32 and 64 channels.

    A convolution of 3x3, then nine blocks of two; the second and the third stage begin with stride
    2. Where the shape changes, the shortcut is a convolution of 1x1 (the paper's option B). The
    mean over the image and a linear layer give one logit a class. 272,474 parameters for 3 channels
    and 10 classes.

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
    He, Zhang, Ren and Sun, "Deep residual learning for image recognition", section 4.2
    (arXiv:1512.03385). First weights as in their arXiv:1502.01852.
    """
    return _resnet(input_shape, classes, 3)


def _resnet(input_shape, classes, blocks):
    channels, classes = channels_and_classes(input_shape, classes)
    layers = [*convolution(channels, 16), ReLU()]
    channels = 16
    for stage, width in enumerate((16, 32, 64)):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            layers += [_block(channels, width, stride), ReLU()]
            channels = width
    return Sequential(*layers, GlobalAvgPool2d(), Flatten(), Linear(channels, classes))


def _block(channels, width, stride):
    body = Sequential(*convolution(channels, width, stride=stride), ReLU(),
                      *convolution(width, width))
    if stride == 1 and channels == width:
        return Residual(body)
    return Residual(body, Sequential(*convolution(channels, width, 1, stride)))


def convolution(channels, width, kernel_size=3, stride=1, groups=1):
    """A convolution without bias, whose first weights suit the ReLU, and batch normalisation."""
    layer = Conv2d(channels, width, kernel_size, stride, kernel_size // 2, groups=groups,
                   bias=False)
    layer.weight = Parameter(init.kaiming_normal(layer.weight.data.shape, mode="fan_out",
                                                 nonlinearity="relu"))
    return layer, BatchNorm2d(width)
