"""PyTorch trained by the recipe of `examples/mnist_seconds.py`, from given first weights."""

import time

import numpy as np

from examples import mnist_seconds as recipe

from . import peers
from .timing import best, interleave

# Steps by which the faster memory format is found, in turns.
TRIAL = 25


def run(first, train, test, seed, epochs, normalization):
    """Train, and return the memory format, the seconds of training and the test accuracy."""
    images = {name: prepared(train.images, normalization, memory_format)
              for name, memory_format in peers.FORMATS.items()}
    labels = peers.torch.from_numpy(train.labels)
    trials = interleave({name: training(first, x[:recipe.BATCH_SIZE * TRIAL],
                                        labels[:recipe.BATCH_SIZE * TRIAL], 0, 1, name)
                         for name, x in images.items()}, 3, 0)
    chosen = best(trials, peers.FORMATS)
    whole = training(first, images[chosen], labels, seed, epochs, chosen)
    started = time.perf_counter()
    model = whole()
    seconds = time.perf_counter() - started
    with peers.torch.inference_mode():
        model.eval()
        answers = model(prepared(test.images, normalization, peers.FORMATS[chosen])).argmax(1)
    return {"format": chosen, "seconds": seconds,
            "accuracy": float(np.mean(answers.numpy() == test.labels))}


def prepared(images, normalization, memory_format):
    """All images as PyTorch takes them, normalised."""
    mean, std = (values.astype(np.float32)[:, None, None]
                 for values in (normalization.mean, normalization.std))
    return peers.tensor((images - mean) / std, memory_format)


def training(first, images, labels, seed, epochs, format_):
    """A function that trains a new network, and returns it."""
    torch = peers.torch

    def whole():
        model = network(first).to(memory_format=peers.FORMATS[format_])
        optimizer = torch.optim.SGD(model.parameters(), recipe.LR, recipe.MOMENTUM,
                                    weight_decay=recipe.WEIGHT_DECAY, nesterov=True)
        steps = epochs * -(-len(images) // recipe.BATCH_SIZE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, recipe.LR, steps, pct_start=recipe.WARM_UP, cycle_momentum=False)
        loss = torch.nn.CrossEntropyLoss()
        torch.manual_seed(seed)
        for _ in range(epochs):
            for indices in torch.randperm(len(images)).split(recipe.BATCH_SIZE):
                optimizer.zero_grad()
                loss(model(images[indices]), labels[indices]).backward()
                optimizer.step()
                schedule.step()
        return model

    return whole


def network(first):
    """The recipe's network of torch.nn, with the weights `first`."""
    nn = peers.torch.nn
    (outputs, features), channels = first["7.weight"].shape, first["0.weight"].shape[1]
    model = nn.Sequential(nn.Conv2d(channels, 8, 5), nn.ReLU(), nn.MaxPool2d(2),
                          nn.Conv2d(8, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
                          nn.Flatten(), nn.Linear(features, outputs))
    model.load_state_dict({key: peers.torch.tensor(value) for key, value in first.items()})
    return model
