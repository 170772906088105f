"""The command ``cycnn``: train, evaluate, predict, info and bench."""

import argparse
import math
import os
import sys
import time
from pathlib import Path

import numpy as np

import cycnn as cn

from . import data, functional, models
from ._extras import require

_DESCRIPTION = "Convolutional networks on ordinary CPUs. Start with: cycnn train"


def main(argv=None):
    """Run the command line `argv` (by default the process's own) and return its exit status.

    0: done. 2: something that the user can mend, told in one line on the standard error.
    130: interrupted by Ctrl-C.
    """
    parser = _parser()
    args = parser.parse_args(argv)
    if args.run is None:
        parser.print_help()
        return 0
    try:
        if getattr(args, "threads", None):
            cn.set_num_threads(args.threads)
        args.run(args)
    except KeyboardInterrupt:
        print("\ncycnn: interrupted, nothing was written", file=sys.stderr)
        return 130
    except (ValueError, OSError, ImportError, FloatingPointError, MemoryError) as error:
        print(f"cycnn: {_text(error)}", file=sys.stderr)
        return 2
    return 0


def _text(error):
    """What an error says, without Python's dress."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


# --- train -------------------------------------------------------------------------------------

def _train(args):
    # All that could go wrong at the end goes wrong now.
    require("safetensors", extra="save", purpose="saving the model")
    if args.plot:
        require("matplotlib.figure", extra="plot", purpose="the picture (or --no-plot)")
    model_file = _writable(args.model_file or f"cycnn-{_stem(args.data)}.safetensors")
    picture = model_file.with_suffix(".png")

    train, test = data.load(args.data, args.data_dir, args.image_size)
    if not len(train) or not len(test):
        raise ValueError(f"{args.data}: {len(train)} images to train on and {len(test)} to hold "
                         "out; needed is at least one of each")
    cn.manual_seed(args.seed)
    model = models.convnet(train.images.shape[1:], len(train.classes))
    optimizer = cn.SGD(model.parameters(), lr=args.lr, momentum=0.9, weight_decay=5e-4,
                       nesterov=True)
    trainer = cn.Trainer(model, optimizer, cn.CrossEntropyLoss(), seed=args.seed)
    epochs = args.epochs or _enough_epochs(len(train))
    schedule = cn.OneCycleLR(optimizer, args.lr, epochs * math.ceil(len(train) / args.batch_size),
                             cycle_momentum=False)
    size = "x".join(map(str, train.images.shape[1:]))
    weights = sum(parameter.data.size for parameter in model.parameters())
    print(f"{args.data}: {len(train):,} images of {size} to train on, {len(test):,} held out, "
          f"{len(train.classes)} classes\n"
          f"network: {weights:,} weights; {epochs} epochs on {_threads()}", flush=True)

    started = time.perf_counter()
    history = trainer.fit(train, epochs, args.batch_size, validation=test, schedule=schedule)
    seconds = time.perf_counter() - started
    if history.interrupted:
        raise KeyboardInterrupt
    probabilities = trainer.predict_proba(test.images)
    right = int((probabilities.argmax(axis=1) == test.labels).sum())
    result = f"{100 * right / len(test):.2f} % of {len(test):,} held-out images right"
    cn.save(model, model_file)
    print(f"accuracy: {result}, after {seconds:.1f} s of training")
    print(f"model:    {model_file}")
    if args.plot:
        cn.plot.plot_training(history, test.images, probabilities, test.labels, test.classes,
                              picture, title=f"{_stem(args.data)}: {result}")
        print(f"picture:  {picture}")


def _stem(name):
    """A data set's name for the names of files: "digits", or the last part of a path."""
    path = Path(name)
    return path.stem if path.suffix == ".npz" else path.resolve().name or "model"


def _writable(path):
    """`path`, if a file can be written there."""
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, not a name for the model file")
    if path.suffix == ".png":
        raise ValueError(f"{path}: this is the name that the picture would get; give the model's, "
                         f"such as {path.with_suffix('.safetensors')}")
    return _folder_of(path)


def _folder_of(path):
    """`path`, if its folder is there and can be written to."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent} to write to")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"{path}: the folder {path.parent} cannot be written to")
    return path


def _enough_epochs(images):
    """Five, and more for small data sets, up to fifty: about 30,000 images seen."""
    return max(5, min(50, math.ceil(30_000 / images)))


def _threads():
    number = cn.get_num_threads()
    return f"{number} thread{'s' * (number > 1)}"


# --- evaluate and predict ----------------------------------------------------------------------

def _evaluate(args):
    if args.plot:
        require("matplotlib.figure", extra="plot", purpose="the picture (or --no-plot)")
    picture = args.picture or f"{Path(args.model).stem}-evaluation.png"
    if args.plot:
        _folder_of(Path(picture))
    model = _loaded(args.model)
    channels, *size = model.input_shape
    pictures = args.data not in data.NAMES and Path(args.data).is_dir()
    parts = data.load(args.data, args.data_dir, **(
        {"image_size": size, "channels": channels if channels in (1, 3) else None}
        if pictures else {}))
    parts = [_relabelled(part, model) for part in (parts if args.all else parts[1:]) if len(part)]
    if not parts:
        raise ValueError(f"{args.data}: no images are held out; --all takes all of them")
    mistakes, probabilities = [], []
    for part in parts:
        if part.images.shape[1:] != model.input_shape:
            raise ValueError(f"{args.model} takes images of {model.input_shape} (C, H, W), "
                             f"{args.data} has {part.images.shape[1:]}")
        probabilities.append(model.predict_proba(part.images))
        if part.labels.max() >= probabilities[-1].shape[1]:
            raise ValueError(f"{args.model} knows {probabilities[-1].shape[1]} classes, "
                             f"{args.data} has {len(part.classes)}")
        wrong = probabilities[-1].argmax(axis=1) != part.labels
        mistakes.append((part.images[wrong], probabilities[-1][wrong], part.labels[wrong]))
    probabilities = np.concatenate(probabilities)
    labels = np.concatenate([part.labels for part in parts])
    names = model.classes or list(map(str, range(probabilities.shape[1])))
    matrix = cn.metrics.confusion_matrix(probabilities, labels)
    total, right = len(labels), int(np.trace(matrix))
    truth = probabilities[np.arange(total), labels]
    loss = -float(np.log(np.maximum(truth, np.finfo(truth.dtype).tiny)).mean())
    result = (f"{100 * right / total:.2f} % of {total:,} "
              f"{'' if args.all else 'held-out '}images right")
    print(f"accuracy: {result} ({total - right:,} wrong), loss {loss:.4f}")
    k = 5 if len(names) > 5 else 2
    if len(names) > 2:
        print(f"top {k}:    {100 * cn.metrics.top_k_accuracy(probabilities, labels, k):.2f} % have "
              f"the right class among the {k} most probable")
    print(f"\n{cn.metrics.classification_report(matrix, names)}")
    if args.plot:
        cn.plot.plot_evaluation(matrix, *map(np.concatenate, zip(*mistakes)), names, picture,
                                title=f"{_stem(args.data)}: {result}")
        print(f"\npicture:  {picture}")


def _relabelled(part, model):
    """The data set with the model's numbers for its classes, which go by their names."""
    if model.classes is None or part.classes == model.classes:
        return part
    unknown = [name for name in part.classes if name not in model.classes]
    if unknown:
        raise ValueError(f"the model does not know the class {unknown[0]!r} of this data set; "
                         f"its classes are {', '.join(model.classes)}")
    numbers = np.array([model.classes.index(name) for name in part.classes])
    return data.Dataset(part.images, numbers[part.labels], model.classes)


def _predict(args):
    model = _loaded(args.model)
    channels, *size = model.input_shape
    if channels not in (1, 3):
        raise ValueError(f"{args.model}: takes images of {channels} channels, pictures have 1 or 3")
    scale = _pixel_scale(model.normalization)
    for path in args.images:
        picture = data.read_picture(path, channels)
        if picture.shape[1:] != tuple(size):
            print(f"{path}: resized from {picture.shape[1]}x{picture.shape[2]} to "
                  f"{size[0]}x{size[1]} (height x width)", file=sys.stderr)
            picture = data.read_picture(path, channels, size)
        if args.invert:
            picture = 255 - picture
        probabilities = model.predict_proba(picture[np.newaxis] * scale)[0]
        answer = int(probabilities.argmax())
        name = model.classes[answer] if model.classes else answer
        print(f"{path}\t{name}\t{100 * probabilities[answer]:.1f} %", flush=True)


def _loaded(path):
    model = cn.load(path)
    if model.input_shape is None:
        raise ValueError(f"{path}: it does not say the size of its images; train it with "
                         "cycnn.Trainer, or set model.input_shape before saving")
    return model


def _pixel_scale(normalization):
    """What to multiply pixels of 0 to 255 by: 1/255 for a network trained on 0 to 1.

    The file does not say which; the training images' own mean and spread do.
    """
    if normalization is None:
        return 1
    typical = np.abs(normalization.mean) + 2 * np.asarray(normalization.std)
    return np.float32(1 / 255) if typical.max() < 4 else 1


# --- info and bench ----------------------------------------------------------------------------

def _info(args):
    if args.model is None:
        cn.show_config()
        return
    model = cn.load(args.model)
    if model.input_shape is None:
        print(model)
    else:
        model.summary()
    print()
    if model.classes:
        print(f"classes: {', '.join(model.classes)}")
    if model.normalization:
        mean, std = (", ".join(f"{value:.4g}" for value in values)
                     for values in (model.normalization.mean, model.normalization.std))
        print(f"images are normalised by mean {mean} and std {std}")


def _bench(args):
    print(f"cycnn {cn.__version__}, {cn.show_config('dicts')['instruction set']}, {_threads()}; "
          "median of repeated runs")
    rng = np.random.default_rng(0)
    for images, channels, side in ((32, 32, 28), (32, 64, 14), (32, 128, 7)):
        x = rng.normal(size=(images, side, side, channels)).astype(np.float32)
        x = x.transpose(0, 3, 1, 2)
        weight = rng.normal(size=(channels, channels, 3, 3)).astype(np.float32)
        seconds = _median_seconds(lambda: functional.conv2d(x, weight, padding=1))
        operations = 2 * images * side * side * channels * channels * 9
        print(f"convolution 3x3, {channels:3} to {channels:3} channels, {images} images of "
              f"{side:2}x{side:<2}  {operations / seconds / 1e9:8.0f} GFLOP/s")
    model = models.convnet((1, 28, 28), 10)
    optimizer = cn.SGD(model.parameters(), lr=0.01, momentum=0.9)
    loss = cn.CrossEntropyLoss()
    x = rng.normal(size=(64, 1, 28, 28)).astype(np.float32)
    labels = rng.integers(0, 10, 64)

    def step():
        loss.forward(model.forward(x), labels)
        model.backward(loss.backward(), input_gradient=False)
        optimizer.step()

    for name, run in (("training", step), ("prediction", lambda: model.predict_proba(x))):
        print(f"{name} of the network of cycnn train, 28x28 images, 64 at a time  "
              f"{64 / _median_seconds(run):,.0f} images/s")
    print("GFLOP/s: 2 x multiply-adds of the convolution's definition, per second")


def _median_seconds(run, seconds=0.7):
    run()
    times = []
    while sum(times) < seconds or len(times) < 5:
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return float(np.median(times))


# --- arguments ---------------------------------------------------------------------------------

class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, and whose help is narrow enough for a small terminal."""

    def __init__(self, **options):
        options.setdefault("formatter_class", lambda prog: argparse.HelpFormatter(
            prog, max_help_position=26, width=79))
        super().__init__(**options)

    def error(self, message):
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _parser():
    parser = _Parser(prog="cycnn", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"cycnn {cn.__version__}")
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", prog="cycnn")

    def command(name, run, text, usage):
        added = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.",
                                    usage=f"cycnn {name} {usage}")
        added.set_defaults(run=run)
        return added

    def add_data(to, **options):
        to.add_argument("--data", metavar="DATA", **options)
        to.add_argument("--data-dir", metavar="DIR",
                        help="where to look first for mnist and fashion-mnist")

    train = command("train", _train, "train a network and save it, with a picture of how it went",
                    "[options]")
    add_data(train, default="digits",
             help="digits (built in), mnist, fashion-mnist, a folder with one sub-folder of "
                  "pictures a class, or an .npz file (default: digits)")
    train.add_argument("--image-size", type=_size, metavar="SIZE",
                       help="resize a folder's pictures: 64, or 48x64 (height x width)")
    train.add_argument("--epochs", type=_positive, metavar="N",
                       help="passes over the images (default: 5, more if they are few)")
    train.add_argument("--batch-size", type=_positive, metavar="N", default=64,
                       help="images a step (default: 64)")
    train.add_argument("--lr", type=_rate, metavar="X", default=0.05,
                       help="highest learning rate (default: 0.05)")
    train.add_argument("--seed", type=_natural, metavar="N", default=0,
                       help="another seed, another network (default: 0)")
    train.add_argument("-o", "--model-file", metavar="FILE",
                       help="default: cycnn-DATA.safetensors; the picture ends in .png")
    train.add_argument("--no-plot", dest="plot", action="store_false",
                       help="no picture, and no need of matplotlib")

    evaluate = command("evaluate", _evaluate, "test a saved network on a data set",
                       "MODEL --data DATA [options]")
    evaluate.add_argument("model", metavar="MODEL", help="a file that cycnn train has written")
    add_data(evaluate, required=True, help="as for cycnn train; the held-out images are tested")
    evaluate.add_argument("--all", action="store_true", help="test all images")
    evaluate.add_argument("-o", "--picture", metavar="FILE",
                          help="of the confusion matrix and the worst mistakes (default: "
                               "MODEL-evaluation.png, in this folder)")
    evaluate.add_argument("--no-plot", dest="plot", action="store_false",
                          help="no picture, and no need of matplotlib")

    predict = command("predict", _predict, "say what pictures show: path, class, probability",
                      "MODEL IMAGE [IMAGE ...] [options]")
    predict.add_argument("model", metavar="MODEL", help="a file that cycnn train has written")
    predict.add_argument("images", metavar="IMAGE", nargs="+", help="a picture")
    predict.add_argument("--invert", action="store_true",
                         help="dark on light, for a network that learned light on dark")

    info = command("info", _info, "show this installation, or what is in a model file", "[MODEL]")
    info.add_argument("model", metavar="MODEL", nargs="?", help="a model file")

    bench = command("bench", _bench, "measure how fast this machine is, in a few seconds",
                    "[options]")
    for added in (train, evaluate, predict, bench):
        added.add_argument("--threads", type=_positive, metavar="N",
                           help="threads to use (default: all that this process may)")
    return parser


def _natural(text, minimum=0):
    if not text.isdecimal() or not minimum <= int(text) < 2**31:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least {minimum}, "
                                         f"got {text!r}")
    return int(text)


def _positive(text):
    return _natural(text, 1)


def _rate(text):
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return value


def _size(text):
    parts = [_positive(part) for part in text.lower().split("x")]
    if len(parts) > 2:
        raise argparse.ArgumentTypeError(f"must be like 64 or 48x64, got {text!r}")
    return parts[0] if len(parts) == 1 else tuple(parts)
