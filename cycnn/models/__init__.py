"""Ready-made networks: each a function of the images' shape and the number of classes.

Their outputs are logits, one a class: what :class:`cycnn.CrossEntropyLoss` takes.
"""

from .classic import lenet5, mnist_example
from .convnet import convnet
from .mobile import mobile_small
from .resnet import resnet8, resnet20

__all__ = ["convnet", "lenet5", "mnist_example", "mobile_small", "resnet8", "resnet20"]
