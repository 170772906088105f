"""Suite `accuracy`: MNIST to 99 %, whole trainings by cycnn and by PyTorch in turn.

Both follow the recipe of `examples/mnist_seconds.py`: the same network from the same first weights,
the same loss, optimizer, learning rates, batch size and number of epochs; each shuffles in its own
way. PyTorch's images lie in memory, normalised, in the memory format that is the faster one, and a
batch is taken by an index. The time is that of training. The test images are looked at once, after
the last epoch.
"""

import time

import numpy as np

import cycnn as cn
from examples import mnist_seconds

from . import peers, peers_training
from .timing import quartiles, spread

SEEDS = 5

COLUMNS = ("network", "seed", "threads", "seconds", "test accuracy", "PyTorch seconds",
           "PyTorch test accuracy", "faster than PyTorch")
PEERS = {"ratio": "PyTorch"}


def run(threads, rounds, seconds, quick=False, **_):
    """Yield one result, a dict, for each number of threads and seed."""
    train, test = small() if quick else cn.data.load("mnist")
    for number in threads:
        peers.set_num_threads(number)
        for seed in range(1 if quick else min(rounds, SEEDS)):
            yield measure(train, test, seed, number, 1 if quick else mnist_seconds.EPOCHS)


def small():
    """A few built-in digits, three times as large: to see that everything works."""
    return [cn.data.Dataset(part.images.repeat(3, axis=2).repeat(3, axis=3), part.labels)
            for part in cn.data.load("digits")]


def measure(train, test, seed, threads, epochs):
    model = mnist_seconds.network(train, seed)
    first = {key: np.array(value) for key, value in model.state_dict().items()}
    started = time.perf_counter()
    mnist_seconds.fit(model, train, seed, epochs, progress=False)
    seconds = time.perf_counter() - started
    result = {"suite": "accuracy", "net": "conv5x5(8), conv5x5(16)", "seed": seed,
              "threads": threads, "epochs": epochs, "seconds": seconds,
              "accuracy": float(np.mean(model.predict(test.images) == test.labels))}
    if peers.torch is not None:
        theirs = peers_training.run(first, train, test, seed, epochs, model.normalization)
        result |= {f"torch_{key}": value for key, value in theirs.items()}
        result["ratio"] = quartiles([theirs["seconds"] / seconds])
    return result


def notes(results):
    """What stands under the table: the mean and the deviation over the seeds."""
    lines = []
    for threads in sorted({result["threads"] for result in results}):
        chosen = [result for result in results if result["threads"] == threads]
        ours = np.array([(result["seconds"], 100 * result["accuracy"]) for result in chosen])
        line = (f"{threads} thread{'s' * (threads > 1)}, {len(chosen)} seed"
                f"{'s' * (len(chosen) > 1)}, {chosen[0]['epochs']} epochs: median "
                f"{np.median(ours[:, 0]):.2f} s, test accuracy {ours[:, 1].mean():.2f} % "
                f"(lowest {ours[:, 1].min():.2f}, deviation {ours[:, 1].std():.2f})")
        ratios = [result["ratio"][0] for result in chosen if "ratio" in result]
        if ratios:
            line += f"; PyTorch takes {spread(quartiles(ratios))} times as long"
        lines.append(line)
    return lines


def cells(result):
    """The result as the cells of a table's row."""
    row = [result["net"], str(result["seed"]), str(result["threads"]),
           f"{result['seconds']:.2f}", f"{result['accuracy']:.2%}"]
    if "ratio" not in result:
        return [*row, "-", "-", "-"]
    return [*row, f"{result['torch_seconds']:.2f} ({result['torch_format']})",
            f"{result['torch_accuracy']:.2%}", f"{result['ratio'][0]:.2f}"]
