"""One image of Fashion-MNIST at a time: 5x5 kernels, "same" padding, a bias for every position.

The seed, 000_6dccf714b1e2b74b.txt, prints the shapes in a network of two such convolutions, and the
log of an epoch that breaks off at step 1,600. The log is of an older network: 12 * 12 * 8 inputs of
its softmax are 8 kernels without padding, and no ReLU. Here both take the whole epoch, and the test
that the seed never came to. Its max-pool sends the gradient to each of equal maxima, cycnn's to the
first; the log tells them apart, as an even background has many. Counted is as there: an image's
loss comes before its step, and one image too late, so that the first line has 99.
"""

import statistics

import numpy as np

import curves
import cycnn as cn
import loops
import one_at_a_time
import program
import shape_check
from comparison import Row, spread, table

PUBLISHED = [(2.188, 26), (1.531, 49), (1.404, 54), (1.297, 56), (0.930, 72), (1.077, 59),
             (0.832, 75), (0.838, 66), (0.871, 66), (0.905, 69), (0.883, 66), (0.967, 61),
             (0.843, 69), (0.846, 69), (0.842, 69), (0.535, None)]          # loss, right of 100
LR, KERNELS, SIZE = 0.005, 8, 5
NETWORKS = {"the log's network": (one_at_a_time.EveryMaximum, False),       # pool, newer
            "the same, one maximum": (cn.MaxPool2d, False),
            "the newer network": (cn.MaxPool2d, True)}


def first_weights(size, newer, seed):
    """The kernels, their biases, the softmax's weight and biases, with the seed's own scales."""
    (height, width), border = size, 0 if newer else SIZE - 1
    rng = np.random.default_rng(seed)
    features = KERNELS * ((height - border) // 2) * ((width - border) // 2)
    bias = (KERNELS, height, width) if newer else (KERNELS,)
    return (rng.standard_normal((KERNELS, 1, SIZE, SIZE)) / SIZE**2,
            rng.standard_normal(bias) / ((height + SIZE - 1) * (width + SIZE - 1)),
            rng.standard_normal((10, features)) / features, np.zeros(10))


def run(train, test, name, seed, options):
    """Loss and right answers of each line of the log, (2, lines); images a second; accuracy."""
    (pool, newer), size, steps = NETWORKS[name], train.images.shape[2:], lines(train)
    first = first_weights(size, newer, seed)
    conv = (cn.Conv2d(1, KERNELS, SIZE, padding="same", untied_bias=size) if newer
            else cn.Conv2d(1, KERNELS, SIZE))
    model = cn.Sequential(conv, *[cn.ReLU()] * newer, pool(2), cn.Flatten(),
                          cn.Linear(first[2].shape[1], 10))
    model.load_state_dict(dict(zip(model.state_dict(), first)))
    model.normalization = cn.Normalization([127.5], [255])                  # x / 255 - 0.5
    losses, right, speed = one_at_a_time.epoch(model, train, LR, options, f"{name}, seed {seed}")
    late = np.array([losses, right])[:, :-1]
    late = np.concatenate([np.zeros((2, 1)), late], axis=1)
    log = [late[:, start:end].mean(axis=1) for start, end in zip([0, *steps], steps)]
    return np.transpose(log), speed, np.mean(model.predict(test.images) == test.labels)


def lines(train):
    """The steps at which there is a line of the log: the seed's, and then fewer."""
    steps = *range(100, 1601, 100), 3000, *range(10_000, len(train) + 1, 10_000)
    return [step for step in steps if step <= len(train)] or [len(train)]


def work(options):
    train, test = program.load("fashion-mnist", options, smallest=SIZE + 1)
    print(f"{len(train):,} images of {program.size_of(train)} to train on, {len(test):,} test "
          f"images, seeds: {', '.join(map(str, options.seeds))}, threads: {cn.get_num_threads()}")
    same = shape_check.report()
    runs = {name: [run(train, test, name, seed, options) for seed in options.seeds]
            for name in NETWORKS}
    log = {name: np.mean([one[0] for one in some], axis=0) for name, some in runs.items()}
    steps, published = lines(train), PUBLISHED if len(train) >= 100 else [(np.nan, None)]
    beside = [show(*line) for line in published]
    print("\nLoss and right answers since the line before, mean over the seeds",
          f"\n| step | published | {' | '.join(NETWORKS)} |\n|---|---|---|---|---|", sep="\n")
    for number, step in enumerate(steps):
        print(f"| {step:,} | {''.join(beside[number:number + 1])} |",
              " | ".join(show(loss, 100 * right) for loss, right in
                         (log[name][:, number] for name in NETWORKS)), "|")

    logged = [loss for loss, _ in published][:len(steps)]
    program.save_picture(curves.draw(
        {"loss": {"published": logged, **{name: log[name][0, :len(logged)] for name in NETWORKS}}},
        steps[:len(logged)], "step"), options)
    rows = [Row("shapes, forward and backward", f"{len(shape_check.PUBLISHED)}", f"{same} alike")]
    for name, (_, newer) in NETWORKS.items():
        logs, speeds, accuracies = zip(*runs[name])
        weights = first_weights(train.images.shape[2:], newer, 0)
        slow = loops.images_a_second(lambda image: loops.train_step(
            image, train.labels[:1], weights, LR, newer, each=False, padding=newer * (SIZE // 2)),
            train.images[:1] / 255 - 0.5)
        rows += [Row(f"{name}: loss, right at step {steps[at]:,}", beside[at], ", ".join(
                     spread([one[part, at] for one in logs], form)
                     for part, form in enumerate(("{:.3f}", "{:.0%}"))))
                 for at in sorted({0, len(logged) - 1})]
        apart = np.abs(log[name][0, :len(logged)] - logged).mean()
        if apart >= 0:
            rows.append(Row(f"{name}: mean distance of the losses", "", f"{apart:.3f}"))
        rows.append(Row(f"{name}: test accuracy", "never reached", spread(accuracies),
                        statistics.mean(speeds), slow))
    table(rows)


def show(loss, right):
    if np.isnan(loss):
        return "none"
    return f"{loss:.3f}, {'cut off' if right is None else f'{right:.0f} %'}"


if __name__ == "__main__":
    program.main(__doc__, work, program.add_seeds)
