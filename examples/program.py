"""What every program here does around its work: read the arguments, find the images, end well.

Bad arguments and bad data end a program with one line and status 2, before it has written anything;
Ctrl-C ends it with status 130.
"""

import argparse
import sys

import cycnn as cn

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
        work(options)
    except ERRORS as error:
        print(f"{parser.prog}: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def load(name, options):
    """The data set `name`, of ``--data-dir`` and nowhere else where that is given."""
    return cn.data.load(name, options.data_dir, elsewhere=options.data_dir is None)


def natural(text, least=0):
    if not text.isdecimal() or not least <= int(text) < 2**31:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least {least}, "
                                         f"got {text!r}")
    return int(text)


def positive(text):
    return natural(text, 1)
