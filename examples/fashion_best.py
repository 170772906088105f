"""Fashion-MNIST as well as half an hour on two cores allows: nine convolutions, two of every three
in a residual block."""

import cycnn as cn
import recipe
from cycnn.data.augment import Compose, RandomErasing, RandomHorizontalFlip
from cycnn.data.views import horizontal_flip, identity
from recipe import block, residual

EPOCHS = 20
WIDTHS = 32, 64, 128


def network(train, seed):
    cn.manual_seed(seed)
    layers, channels = [], train.images.shape[1]
    for width in WIDTHS:
        layers += [*block(channels, width), residual(width), cn.MaxPool2d(2)]
        channels = width
    layers[-1] = cn.GlobalAvgPool2d()               # in the place of the last pool
    return cn.Sequential(*layers, cn.Flatten(), cn.Linear(channels, len(train.classes)))


def fit(model, train, seed, epochs, **options):
    augment = Compose([RandomHorizontalFlip(), RandomErasing()])
    return recipe.fit_average(model, train, seed, epochs, lr=0.2, weight_decay=5e-4,
                              label_smoothing=0.1, augment=augment, **options)


if __name__ == "__main__":
    recipe.run(__doc__, "fashion-mnist", network, fit, EPOCHS, [identity, horizontal_flip])
