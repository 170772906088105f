"""Two small convolutions and one linear layer learn MNIST's digits to 99 % in a few seconds."""

import cycnn as cn

EPOCHS, BATCH_SIZE = 6, 64
LR, MOMENTUM, WEIGHT_DECAY = 0.1, 0.9, 1e-3
WARM_UP = 0.2                       # the part of the steps in which the learning rate rises


def network(train, seed):
    cn.manual_seed(seed)
    channels, *size = train.images.shape[1:]
    height, width = (((side - 4) // 2 - 4) // 2 for side in size)   # of what Flatten gets
    return cn.Sequential(
        cn.Conv2d(channels, 8, 5), cn.ReLU(), cn.MaxPool2d(2),
        cn.Conv2d(8, 16, 5), cn.ReLU(), cn.MaxPool2d(2),
        cn.Flatten(), cn.Linear(16 * height * width, len(train.classes)))


def fit(model, train, seed, epochs=EPOCHS, **options):
    optimizer = cn.SGD(model.parameters(), LR, MOMENTUM, weight_decay=WEIGHT_DECAY, nesterov=True)
    steps = epochs * -(-len(train) // BATCH_SIZE)
    schedule = cn.OneCycleLR(optimizer, LR, steps, pct_start=WARM_UP, cycle_momentum=False)
    trainer = cn.Trainer(model, optimizer, cn.CrossEntropyLoss(), seed=seed)
    return trainer.fit(train, epochs, BATCH_SIZE, schedule=schedule, **options)


if __name__ == "__main__":
    import recipe
    recipe.run(__doc__, "mnist", network, fit, EPOCHS)
