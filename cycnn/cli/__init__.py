"""The command ``cycnn``: train, evaluate, predict, info and bench.

`arguments.py` says what each takes. Each is a function `run(args)` in the file of its name, which
calls the rest of the package and holds no arithmetic of its own.
"""

import os
import sys

import cycnn as cn

from .arguments import parser
from .shared import text_of


def main(argv=None):
    """Run the command line `argv` (by default the process's own) and return its exit status.

    0: done. 2: something that the user can mend, told in one line on the standard error.
    130: interrupted by Ctrl-C. 141: nobody reads the output any more.
    """
    command = parser()
    args = command.parse_args(argv)
    if args.run is None:
        command.print_help()
        return 0
    if hasattr(sys.stdout, "reconfigure"):
        # The names of files and classes may hold what the output cannot: it is shown as "?".
        sys.stdout.reconfigure(errors="replace")
    try:
        if getattr(args, "threads", None):
            cn.set_num_threads(args.threads)
        status = args.run(args) or 0
        sys.stdout.flush()
    except KeyboardInterrupt as interrupt:
        print(f"\ncycnn: interrupted{str(interrupt) or ', nothing was written'}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # As `head` leaves it. Python would flush the rest, and complain, at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ValueError, OSError, ImportError, FloatingPointError, MemoryError) as error:
        print(f"cycnn: {text_of(error)}", file=sys.stderr)
        return 2
    return status
