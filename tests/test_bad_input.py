"""What cannot be right is refused, naming the argument, before any memory is touched.

Most of these calls have crashed one library or another. They stand in bad_calls.py and, for single
functions, in bad_calls_layers.py and bad_calls_training.py, which add to its list.
"""

import pytest

import bad_calls_layers     # noqa: F401
import bad_calls_training   # noqa: F401
import cycnn.functional as F
from bad_calls import CASES, GOOD
from helpers import run_python


@pytest.fixture(scope="module")
def survived():
    """All the calls once in another process: a crash fails the tests instead of ending them."""
    done = run_python("-c", "import test_bad_input; test_bad_input.call_all()", timeout=120)
    assert done.returncode == 0, (f"the interpreter ended with {done.returncode} in the case "
                                  f"{done.stdout.splitlines()[-1:]}\n{done.stderr[-2000:]}")


def call_all():
    for name, (_, _, function, arguments, options) in CASES.items():
        print(name, flush=True)
        try:
            function(*arguments, **options)
        except Exception:
            pass


@pytest.mark.usefixtures("survived")
@pytest.mark.parametrize("name", CASES)
def test_refused(name):
    argument, error, function, arguments, options = CASES[name]
    with pytest.raises(error, match=argument):
        function(*arguments, **options)


@pytest.mark.parametrize("name", GOOD)
def test_accepted(name):
    """What the cases above spoil is right."""
    getattr(F, name)(*GOOD[name][0])
