"""What the commands take: the parser, and checks of single values."""

import argparse
import math
import re
from pathlib import Path

import cycnn as cn

from .. import models
from . import bench, evaluate, info, predict, recipe, train

_DESCRIPTION = "Convolutional networks on ordinary CPUs. Start with: cycnn train"
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


def parser():
    """The parser of the whole command; what it returns has the function `run` of a command."""
    whole = _Parser(prog="cycnn", description=_DESCRIPTION)
    whole.add_argument("--version", action="version", version=f"cycnn {cn.__version__}")
    whole.set_defaults(run=None)
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", prog="cycnn")

    def command(run, text, usage, **options):
        name = run.__module__.rpartition(".")[2]
        added = commands.add_parser(name, help=text, usage=f"cycnn {name} {usage}", **options)
        added.set_defaults(run=run)
        return added

    def described(run, text, usage):
        return command(run, text, usage, description=f"{text[0].upper()}{text[1:]}.")

    _add_train(command(train.run, "train a network and save it, with a picture of how it went",
                       "[options]          (defaults in [brackets])", add_help=False))
    _add_evaluate(described(evaluate.run, "test a saved network on a data set",
                            "MODEL --data DATA [options]"))
    _add_predict(described(predict.run, "say what pictures show: path, class, probability",
                           "MODEL IMAGE [IMAGE ...] [options]"))
    shown = described(info.run, "show this installation, or what is in a model file", "[MODEL]")
    shown.add_argument("model", metavar="MODEL", nargs="?", help="a model file")
    _add_threads(described(bench.run, "measure how fast this machine is, in a few seconds",
                           "[options]"))
    return whole


class _Formatter(argparse.HelpFormatter):
    """Help narrow enough for a small terminal; "-o, --option VALUE" in every version of Python."""

    def __init__(self, prog, **options):
        super().__init__(prog, max_help_position=26, width=79, **options)

    def _format_action_invocation(self, action):
        if not action.option_strings:
            return super()._format_action_invocation(action)
        return f"{', '.join(action.option_strings)} {action.metavar or ''}".rstrip()


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def __init__(self, **options):
        super().__init__(formatter_class=_Formatter, **options)

    def error(self, message):
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


# --- the commands ------------------------------------------------------------------------------

def _add_train(to):
    """Every option on a line of its own, so that `cycnn train --help` fits a screen."""
    group = to.add_argument_group()

    def add(*names, **options):
        group.add_argument(*names, **options)

    add("-h", "--help", action="help", help=argparse.SUPPRESS)
    add("--data", metavar="DATA", default="digits",
        help="[digits] mnist fashion-mnist FILE.npz FOLDER/CLASS/*")
    add("--data-dir", metavar="DIR", help="where to look first for mnist and fashion-mnist")
    add("--image-size", type=_size, metavar="SIZE",
        help="resize a folder's pictures: 64, or 48x64 (H x W)")
    add("--validation", type=_fraction, metavar="FRACTION",
        help="of the training images: to validate on; test once")
    add("--augment", type=_augment, metavar="LIST",
        help="shift:2,crop:4,flip,vflip,rotate:10,erase or some")
    add("--model", choices=models.__all__, default="convnet", metavar="NAME",
        help="[convnet] " + " ".join(sorted(set(models.__all__) - {"convnet"})))
    add("--epochs", type=_positive, metavar="N",
        help="passes over the images [5, more if they are few]")
    add("--batch-size", type=_positive, metavar="N", default=64, help="images a step [64]")
    add("--optimizer", choices=list(recipe.OPTIMIZERS), default="sgd", metavar="NAME",
        help="[sgd] (Nesterov momentum), adam, adamw, rmsprop")
    add("--lr", type=_rate, metavar="X",
        help="highest learning rate [0.05; not of sgd: 0.001]")
    add("--schedule", choices=list(recipe.SCHEDULES), default="onecycle", metavar="NAME",
        help="of the learning rate: [onecycle] cosine, constant")
    add("--weight-decay", type=_decay, metavar="X",
        help="[sgd 0.0005, adamw 0.01, the others 0]")
    add("--label-smoothing", type=_part, metavar="X", default=0.0,
        help="of each target, to all classes alike [0]")
    add("--ema", type=_average, metavar="DECAY",
        help="keep an average of the weights, decay 0.999 say")
    add("--seed", type=_natural, metavar="N", default=0, help="another seed, another network [0]")
    add("--early-stopping", type=_positive, metavar="N",
        help="end N epochs after the best one, and keep that")
    add("--time-limit", type=_seconds, metavar="TIME",
        help="end after so long: 90 (seconds), 5m, 2h")
    add("--checkpoint", metavar="FILE",
        help="written every epoch; --resume: go on from it")
    add("--resume", action="store_true", help=argparse.SUPPRESS)
    add("--log", type=_log, metavar="FILE", help="numbers of every epoch: NAME.csv or NAME.jsonl")
    add("-o", "--model-file", metavar="FILE",
        help="[cycnn-DATA.safetensors] and a .png, or --no-plot")
    add("--no-plot", dest="plot", action="store_false", help=argparse.SUPPRESS)
    _add_threads(group)


def _add_evaluate(to):
    to.add_argument("model", metavar="MODEL", help="a file that cycnn train has written")
    to.add_argument("--data", metavar="DATA", required=True,
                    help="as for cycnn train; the held-out images are tested")
    to.add_argument("--data-dir", metavar="DIR",
                    help="where to look first for mnist and fashion-mnist")
    to.add_argument("--all", action="store_true", help="test all images")
    to.add_argument("-o", "--picture", metavar="FILE",
                    help="of the confusion matrix and the worst mistakes (default: "
                         "MODEL-evaluation.png, in this folder)")
    to.add_argument("--no-plot", dest="plot", action="store_false",
                    help="no picture, and no need of matplotlib")
    _add_threads(to)


def _add_predict(to):
    to.add_argument("model", metavar="MODEL", help="a file that cycnn train has written")
    to.add_argument("images", metavar="IMAGE", nargs="+",
                    help="a picture, or a folder of pictures")
    to.add_argument("--invert", action="store_true",
                    help="dark on light, for a network that learned light on dark")
    _add_threads(to)


def _add_threads(to):
    to.add_argument("--threads", type=_positive, metavar="N",
                    help="threads to use [all that this process may]")


# --- values ------------------------------------------------------------------------------------

def _natural(text, minimum=0):
    if not text.isdecimal() or not minimum <= int(text) < 2**31:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least {minimum}, "
                                         f"got {text!r}")
    return int(text)


def _positive(text):
    return _natural(text, 1)


def _number(text, needed, fits):
    """`text` as a finite float that `fits`, or an error that says what is `needed`."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and fits(value)):
        raise argparse.ArgumentTypeError(f"must be a number {needed}, got {text!r}")
    return value


def _rate(text):
    return _number(text, "above 0", lambda value: value > 0)


def _decay(text):
    return _number(text, "of at least 0", lambda value: value >= 0)


def _fraction(text):
    return _number(text, "above 0 and below 1", lambda value: 0 < value < 1)


def _part(text):
    return _number(text, "from 0 to 1", lambda value: 0 <= value <= 1)


def _average(text):
    return _number(text, "from 0 to below 1", lambda value: 0 <= value < 1)


def _seconds(text):
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*([smh]?)", text.strip().lower(), re.ASCII)
    seconds = float(match[1]) * _SECONDS[match[2]] if match else 0
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError("must be a number of seconds above 0, or one with s, m or "
                                         f"h behind it, such as 5m; got {text!r}")
    return seconds


def _size(text):
    parts = [_positive(part) for part in text.lower().split("x")]
    if len(parts) > 2:
        raise argparse.ArgumentTypeError(f"must be like 64 or 48x64, got {text!r}")
    return parts[0] if len(parts) == 1 else tuple(parts)


def _augment(text):
    try:
        recipe.augmentation(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _log(text):
    if Path(text).suffix.lower() not in recipe.LOGS:
        raise argparse.ArgumentTypeError(f"must end in {' or '.join(recipe.LOGS)}, got {text!r}")
    return text
