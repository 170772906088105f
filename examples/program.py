"""What every program here does around its work: read the arguments, find the images, end well.

Bad arguments and bad data end a program with one line and status 2, before it has written anything;
Ctrl-C ends it with status 130.
"""

import argparse
import io
import os
import sys

import cycnn as cn
from cycnn._extras import require

ERRORS = ValueError, OSError, ImportError, FloatingPointError, MemoryError


def main(text, work, add_arguments=None):
    """Run ``work(options)`` with the arguments of the command line.

    Parameters
    ----------
    text : str
        What the program does; the first paragraph is shown by ``--help``.
    work : callable
    add_arguments : callable, optional
        Given the parser, adds the program's own arguments.
    """
    parser = argparse.ArgumentParser(description=text.split("\n\n")[0])
    parser.add_argument("--data-dir", metavar="DIR",
                        help="the folder of the images (by default they are looked for as by "
                             "`cycnn train`, and downloaded if they are nowhere)")
    parser.add_argument("--threads", type=positive, metavar="N",
                        help="default: all that the process may use")
    parser.add_argument("--no-progress", dest="progress", action="store_false", default=None,
                        help="no progress bar")
    parser.add_argument("--output", metavar="NAME", default=parser.prog.removesuffix(".py"),
                        help="what the files that it writes begin with (default: %(default)s)")
    if add_arguments:
        add_arguments(parser)
    options = parser.parse_args()
    try:
        if options.threads:
            cn.set_num_threads(options.threads)
        # What the end will need, so that no training is for nothing.
        require("matplotlib.figure", "plot", "drawing a picture")
        folder = os.path.dirname(options.output)
        if folder and not os.path.isdir(folder):
            raise FileNotFoundError(f"--output {options.output}: there is no folder {folder}")
        work(options)
    except ERRORS as error:
        print(f"{parser.prog}: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def add_seeds(parser, seeds=(0, 1, 2, 3, 4)):
    """The argument ``--seeds`` of a program that averages."""
    parser.add_argument("--seeds", type=natural, nargs="+", default=list(seeds), metavar="N",
                        help=f"a training with each of them (default: {' '.join(map(str, seeds))})")


def load(name, options, smallest=1):
    """The data set `name`, of ``--data-dir`` and nowhere else where that is given.

    Parameters
    ----------
    name : str
    options : argparse.Namespace
    smallest : int
        The least height and width that the network can take.

    Returns
    -------
    train, test : cycnn.data.Dataset

    Raises
    ------
    ValueError
        If a part has no images, they are too small, or those of one part have another size than
        those of the other.
    """
    train, test = cn.data.load(name, options.data_dir, elsewhere=options.data_dir is None)
    for part, text in ((train, "training"), (test, "test")):
        if not len(part):
            raise ValueError(f"{name}: there are no {text} images{where(options)}")
    if train.images.shape[1:] != test.images.shape[1:]:
        raise ValueError(f"{name}: the training images are {size_of(train)}, the test images "
                         f"{size_of(test)}{where(options)}")
    if min(train.images.shape[2:]) < smallest:
        raise ValueError(f"{name}: the network needs images of at least {smallest}x{smallest}, "
                         f"got {size_of(train)}{where(options)}")
    return train, test


def size_of(data):
    """The size of a data set's images in words, such as "28x28"."""
    return "x".join(map(str, data.images.shape[2:]))


def progress(steps, options, text):
    """`steps`, with a progress bar as they are gone through (without tqdm, with nothing)."""
    if options.progress is False:
        return steps
    try:
        return require("tqdm.auto", "progress", "a progress bar").tqdm(steps, text)
    except ImportError:
        return steps


def save_picture(figure, options, suffix=""):
    """Write a matplotlib figure as NAME.png (NAME`suffix`.png), whole or not at all."""
    picture, path = io.BytesIO(), f"{options.output}{suffix}.png"
    figure.savefig(picture, format="png", dpi=120)
    with open(f"{path}.part", "wb") as file:
        file.write(picture.getvalue())
    os.replace(f"{path}.part", path)
    print(f"wrote {path}", flush=True)


def where(options):
    """The folder that was given, for an error about the images: " in DIR", or nothing."""
    return f" in {options.data_dir}" if options.data_dir else ""


def natural(text, least=0):
    if not text.isdecimal() or not least <= int(text) < 2**31:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least {least}, "
                                         f"got {text!r}")
    return int(text)


def positive(text):
    return natural(text, 1)
