"""LeNet-5 learns MNIST's digits to 99 % in a few seconds."""

import cycnn as cn

EPOCHS, BATCH_SIZE = 4, 64
LR, MOMENTUM, WEIGHT_DECAY = 0.05, 0.9, 5e-4
WARM_UP = 0.2                       # the part of the steps in which the learning rate rises


def network(train, seed):
    cn.manual_seed(seed)
    return cn.models.lenet5(train.images.shape[1:], len(train.classes))


def fit(model, train, seed, epochs=EPOCHS, **options):
    optimizer = cn.SGD(model.parameters(), LR, MOMENTUM, weight_decay=WEIGHT_DECAY, nesterov=True)
    steps = epochs * -(-len(train) // BATCH_SIZE)
    schedule = cn.OneCycleLR(optimizer, LR, steps, pct_start=WARM_UP, cycle_momentum=False)
    trainer = cn.Trainer(model, optimizer, cn.CrossEntropyLoss(), seed=seed)
    return trainer.fit(train, epochs, BATCH_SIZE, schedule=schedule, **options)


if __name__ == "__main__":
    import recipe
    recipe.run(__doc__, "mnist", network, fit, EPOCHS)
