"""One digit at a time: 8 filters 3x3 without bias, a 2x2 max-pool and a softmax.

The seed, 003_e5c4f700e12f38fe.txt, learns from 1,000 images of MNIST in five epochs, always in the
same order, and holds a Keras model against it. Its "accuracy" of an epoch is how many of the first
99 images were right, each before its own step, and its loss their sum divided by 1,000: here they
are counted as there, and the accuracy on all images beside them. One thing differs: where pixels
of a window are equal, the seed's max-pool sends the gradient to each, ours (as Keras's) to the
first.
"""

import statistics

import numpy as np

import curves
import cycnn as cn
import loops
import one_at_a_time
import program
from comparison import Row, spread, table

PUBLISHED_RIGHT, PUBLISHED_LOSS = [30, 85, 87, 91, 94], [0.217, 0.051, 0.035, 0.024, 0.016]
PUBLISHED = {"training accuracy": "94 % (of 99)", "test accuracy, first 100": "89 %, Keras 89 %",
             "test loss, first 100": "Keras 0.289", "sum of these losses / right ones": "0.393"}
EPOCHS, LR, COUNTED = 5, 0.01, 99


def first_weights(train, seed):
    """The filters, the dense weight and its biases, with the seed's own scales."""
    height, width = train.images.shape[2:]
    features = 8 * ((height - 2) // 2) * ((width - 2) // 2)
    rng = np.random.default_rng(seed)
    return {"0.weight": rng.standard_normal((8, 1, 3, 3)) / 9,
            "3.weight": rng.standard_normal((10, features)) / features, "3.bias": np.zeros(10)}


def run(train, test, epochs, seed, options):
    """Train; images a second, the figures of each epoch as the seed counts them, the final ones."""
    first = first_weights(train, seed)
    model = cn.Sequential(cn.Conv2d(1, 8, 3, bias=False), cn.MaxPool2d(2), cn.Flatten(),
                          cn.Linear(first["3.weight"].shape[1], 10))
    model.load_state_dict(first)
    model.normalization = cn.Normalization([127.5], [255])                  # x / 255 - 0.5
    passes = [one_at_a_time.epoch(model, train, LR, options,
                                  f"{len(train):,} images, seed {seed}, epoch {epoch + 1}/{epochs}")
              for epoch in range(epochs)]
    losses, right, speeds = map(np.array, zip(*passes))
    trainer = cn.Trainer(model, cn.SGD(model.parameters(), LR), cn.CrossEntropyLoss())
    hundred = trainer.evaluate(test[:100])
    return speeds.mean(), right[:, :COUNTED].sum(axis=1), losses[:, :COUNTED].sum(axis=1) / 1000, {
        "training accuracy": right[-1].mean(),
        "test accuracy, first 100": hundred["accuracy"],
        "test loss, first 100": hundred["loss"],
        "sum of these losses / right ones": hundred["loss"] / max(hundred["accuracy"], 0.01),
        "test accuracy, all": trainer.evaluate(test)["accuracy"]}


def work(options):
    train, test = program.load("mnist", options, smallest=4)
    print(f"{len(train):,} images of {program.size_of(train)} to train on, {len(test):,} test "
          f"images, seeds: {', '.join(map(str, options.seeds))}, threads: {cn.get_num_threads()}")
    few, whole = ([run(part, test, EPOCHS, seed, options) for seed in options.seeds]
                  for part in (train[:1000], train))
    filters, *dense = first_weights(train, 0).values()
    slow = loops.images_a_second(lambda image: loops.train_step(
        image, train.labels[:1], (filters, None, *dense), LR, relu=False, each=False),
        train.images[:1] / 255 - 0.5)

    right, losses = ([one[part] for one in few] for part in (1, 2))
    program.save_picture(curves.draw({
        f"right of the first {COUNTED}": {"published": PUBLISHED_RIGHT, "here": bars(right)},
        "the sum of their losses / 1,000": {"published": PUBLISHED_LOSS, "here": bars(losses)}},
        range(1, EPOCHS + 1)), options)
    rows = [Row(f"epoch {epoch + 1}: right of the first {COUNTED}; their losses / 1,000",
                f"{PUBLISHED_RIGHT[epoch]}; {PUBLISHED_LOSS[epoch]:.3f}",
                f"{spread(right_now, '{:.1f}')}; {spread(losses_now, '{:.3f}')}")
            for epoch, (right_now, losses_now) in enumerate(zip(zip(*right), zip(*losses)))]
    for runs, published, images in ((few, PUBLISHED, len(train[:1000])), (whole, {}, len(train))):
        for figure in runs[0][-1]:
            form = "{:.2%}" if "accuracy" in figure else "{:.3f}"
            rows.append(Row(f"{images:,} images: {figure}", published.get(figure, ""),
                            spread([one[-1][figure] for one in runs], form)))
        rows[-1] = rows[-1]._replace(here=statistics.mean(one[0] for one in runs), loops=slow)
    table(rows)


def bars(runs):
    return np.mean(runs, axis=0), np.std(runs, axis=0)


if __name__ == "__main__":
    program.main(__doc__, work, program.add_seeds)
