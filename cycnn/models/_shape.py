"""What every network is made for: images of a shape, and classes."""

from ..functional import _check


def images_and_classes(input_shape, classes):
    """((C, H, W), classes), checked."""
    if not isinstance(input_shape, (tuple, list)):
        raise TypeError(f"input_shape must be (C, H, W), got {input_shape!r}")
    if len(input_shape) != 3:
        raise ValueError(f"input_shape must be (C, H, W), got {tuple(input_shape)}")
    return (tuple(_check.integer(size, "input_shape", 1) for size in input_shape),
            _check.integer(classes, "classes", 1))


def channels_and_classes(input_shape, classes):
    """(C, classes) for networks that take images of any size: C alone may be given."""
    if not isinstance(input_shape, (tuple, list)):
        return (_check.integer(input_shape, "input_shape", 1),
                _check.integer(classes, "classes", 1))
    shape, classes = images_and_classes(input_shape, classes)
    return shape[0], classes


def at_least(shape, smallest, name):
    """Raise where the images are too small for a network's convolutions and pools."""
    if min(shape[1:]) < smallest:
        raise ValueError(f"input_shape must be at least {smallest} x {smallest} pixels for {name}, "
                         f"got {shape}")
