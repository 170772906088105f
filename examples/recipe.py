"""What the accuracy programs share: a training for each seed, a table and a picture.

A program gives two functions, `network(train, seed)`, which makes a network for a data set, and
`fit(model, train, seed, epochs, **options)`, which trains it and returns the history; `fit_average`
is what most of them do.

The test images are looked at once, after the last epoch. `--validate` holds out a sixth of the
training images and looks at these instead: so the recipes were chosen.
"""

import statistics
import time

import cycnn as cn
import program


def run(text, data, network, fit, epochs, views=None):
    """Train with each seed, print a table, and draw how the first training went.

    Parameters
    ----------
    text : str
        What the program does.
    data : str
        A name that `cycnn.data.load` knows.
    network, fit : callable
        As this module says.
    epochs : int
        Passes over the images.
    views : list of callables, optional
        Of each test image, whose probabilities are averaged: see `cycnn.data.views`.
    """
    def work(options):
        train, test = program.load(data, options)
        if options.validate:
            train, test = cn.data.split(train, 1 / 6)
        train_all(options, train, test, network, fit, views)

    program.main(text, work, lambda parser: add_arguments(parser, epochs))


def train_all(options, train, test, network, fit, views):
    held_out = "validation" if options.validate else "test"
    size = "x".join(map(str, train.images.shape[1:]))
    print(f"{len(train):,} images of {size} to train on, {len(test):,} {held_out} images, "
          f"threads: {cn.get_num_threads()}")
    accuracies, rows = [], []
    for seed in options.seeds:
        model = network(train, seed)
        started = time.perf_counter()
        history = fit(model, train, seed, options.epochs, progress=options.progress,
                      validation=test if options.validate else None)
        seconds = time.perf_counter() - started
        if history.interrupted:
            raise KeyboardInterrupt
        accuracies.append(float((model.predict(test.images, views=views) == test.labels).mean()))
        rows.append(f"| {seed} | {accuracies[-1]:.2%} | {seconds:.1f} |")
        print(f"seed {seed}: {held_out} accuracy {accuracies[-1]:.2%} after {seconds:.1f} s of "
              "training", flush=True)
        if seed == options.seeds[0]:
            cn.save(model, f"{options.output}.safetensors")
            history.plot(f"{options.output}.png")
    if len(accuracies) > 1:
        rows.append(f"| mean ± deviation | {statistics.mean(accuracies):.2%} ± "
                    f"{statistics.stdev(accuracies):.2%} | |")
    parameters = sum(parameter.data.size for parameter in model.parameters())
    print(f"\n{parameters:,} parameters, {options.epochs} epochs", "",
          f"| seed | {held_out} accuracy | seconds of training |", "|---|---|---|", *rows, "",
          f"wrote {options.output}.safetensors and {options.output}.png", sep="\n")


def block(channels, width):
    """Convolution, batch normalisation and ReLU."""
    return [cn.Conv2d(channels, width, 3, padding=1, bias=False), cn.BatchNorm2d(width), cn.ReLU()]


def residual(width):
    """Two blocks, and a way around them."""
    return cn.Residual(cn.Sequential(*block(width, width), *block(width, width)))


def fit_average(model, train, seed, epochs, *, lr, weight_decay, label_smoothing, augment,
                batch_size=128, decay=0.999, **options):
    """Train with a one-cycle schedule; the model gets the average of its weights along the way."""
    optimizer = cn.SGD(model.parameters(), lr, momentum=0.9, weight_decay=weight_decay,
                       nesterov=True)
    schedule = cn.OneCycleLR(optimizer, lr, epochs * -(-len(train) // batch_size), pct_start=0.25,
                             div_factor=10, cycle_momentum=False)
    average = cn.ExponentialMovingAverage(model, decay, warmup=True)
    trainer = cn.Trainer(model, optimizer, cn.CrossEntropyLoss(label_smoothing=label_smoothing),
                         seed=seed, ema=average)
    history = trainer.fit(train, epochs, batch_size, schedule=schedule, augment=augment, **options)
    average.copy_to()
    return history


def add_arguments(parser, epochs):
    parser.add_argument("--seeds", type=program.natural, nargs="+", default=[0], metavar="N",
                        help="a training with each of them (default: 0)")
    parser.add_argument("--epochs", type=program.positive, default=epochs, metavar="N",
                        help="passes over the images (default: %(default)s)")
    parser.add_argument("--validate", action="store_true",
                        help="hold out a sixth of the training images, and test on these")
