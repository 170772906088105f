"""MNIST as well as ten minutes on two cores allow: five convolutions, and digits that are turned,
moved, scaled and slanted a little."""

import cycnn as cn
import recipe
from cycnn.data.augment import RandomAffine
from cycnn.data.views import Shift
from recipe import block

EPOCHS = 10
VIEWS = [Shift(0, 0), Shift(-1, 0), Shift(1, 0), Shift(0, -1), Shift(0, 1)]


def network(train, seed):
    cn.manual_seed(seed)
    return cn.Sequential(
        *block(train.images.shape[1], 32), *block(32, 32), cn.MaxPool2d(2),
        *block(32, 48), *block(48, 48), cn.MaxPool2d(2),
        *block(48, 64), cn.GlobalAvgPool2d(), cn.Flatten(), cn.Linear(64, len(train.classes)))


def fit(model, train, seed, epochs, **options):
    augment = RandomAffine(10, translate=(0.07, 0.07), scale=(0.9, 1.1), shear=5,
                           interpolation="bilinear")
    return recipe.fit_average(model, train, seed, epochs, lr=0.2, weight_decay=5e-4,
                              label_smoothing=0.05, augment=augment, **options)


if __name__ == "__main__":
    recipe.run(__doc__, "mnist", network, fit, EPOCHS, VIEWS)
