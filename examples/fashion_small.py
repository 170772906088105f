"""Fashion-MNIST with fewer than 100,000 parameters: seven convolutions, two of them a residual
block at each of two sizes."""

import cycnn as cn
import recipe
from cycnn.data.augment import Compose, RandomErasing, RandomHorizontalFlip, RandomShift
from cycnn.data.views import horizontal_flip, identity
from recipe import block, residual

EPOCHS = 20


def network(train, seed):
    cn.manual_seed(seed)
    return cn.Sequential(
        *block(train.images.shape[1], 32), residual(32), cn.MaxPool2d(2),
        *block(32, 48), residual(48), cn.MaxPool2d(2),
        *block(48, 48), cn.GlobalAvgPool2d(), cn.Flatten(), cn.Linear(48, len(train.classes)))


def fit(model, train, seed, epochs, **options):
    augment = Compose([RandomHorizontalFlip(), RandomShift(2), RandomErasing(scale=(0.02, 0.2))])
    return recipe.fit_average(model, train, seed, epochs, lr=0.2, weight_decay=3e-4,
                              label_smoothing=0.1, augment=augment, **options)


if __name__ == "__main__":
    recipe.run(__doc__, "fashion-mnist", network, fit, EPOCHS, [identity, horizontal_flip])
