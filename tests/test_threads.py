"""The thread count changes speed, never a bit; the GIL is free; a fork is safe."""

import re
import textwrap
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings

import cycnn
from calls import CALLS, assert_identical
from cycnn import functional as F
from cycnn.kernels import cpu
from helpers import normal, run_python
from strategies import convolutions

needs_openmp = pytest.mark.skipif(not cpu.openmp_version(), reason="built without OpenMP")


@needs_openmp
@pytest.mark.parametrize("name", CALLS)
def test_same_bits_for_every_number_of_threads(name, every_kernel_in_parallel, dtype):
    call = CALLS[name]
    arrays = call(dtype)
    every_kernel_in_parallel(1)
    expected = call.run(*arrays)
    for number in (2, 3, 4, 7):
        every_kernel_in_parallel(number)
        assert_identical(call.run(*arrays), expected)


@needs_openmp
@settings(max_examples=20)
@given(case=convolutions())
def test_convolutions_of_any_shape_have_the_same_bits(case, every_kernel_in_parallel):
    x, weight, bias, dy = case.arrays()
    results = []
    for number in (1, 2, 5):
        every_kernel_in_parallel(number)
        results.append((F.conv2d(x, weight, bias, **case.options),
                        *F.conv2d_backward(dy, x, weight, bias=case.bias, **case.options)))
    for result in results[1:]:
        assert_identical(result, results[0])


def test_python_threads_at_once(every_kernel_in_parallel, dtype):
    """Kernels share no state: calls from several Python threads do not disturb each other."""
    names = [name for name in CALLS if name.startswith(("conv2d", "linear", "max_pool"))]
    work = [(CALLS[name], CALLS[name](dtype)) for name in names]
    every_kernel_in_parallel(2)
    expected = [call.run(*arrays) for call, arrays in work]
    failures = []

    def run(shift):
        try:
            for at in range(len(work)):
                at = (at + shift) % len(work)
                call, arrays = work[at]
                assert_identical(call.run(*arrays), expected[at])
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=run, args=(5 * shift,)) for shift in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures


def test_the_gil_is_released(rng):
    """Other Python code runs while one kernel call of a good fraction of a second does."""
    x, weight = normal(rng, np.float32, 16, 64, 96, 96), normal(rng, np.float32, 64, 64, 3, 3)
    span = []

    def compute():
        start = time.perf_counter()
        with cycnn.num_threads(1):
            F.conv2d(x, weight)
        span.extend((start, time.perf_counter()))

    worker = threading.Thread(target=compute)
    ticks = []
    worker.start()
    while worker.is_alive():
        ticks.append(time.perf_counter())
        time.sleep(0.001)
    start, end = span
    # Copies before and after the kernel are NumPy's; the middle of the call is the kernel.
    middle = [t for t in ticks if start + (end - start) / 3 < t < end - (end - start) / 3]
    assert len(middle) >= 3, f"{len(middle)} ticks in the middle third of {end - start:.3f} s"


def script(text, **environment):
    """Run a Python script; returns its output, fails with its traceback."""
    done = run_python("-c", textwrap.dedent(text), **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@needs_openmp
@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork on this system")
def test_a_forked_child_computes_the_same():
    """OpenMP's threads do not survive a fork: a child that waited for them would hang."""
    script("""
        import os, signal, time, warnings
        import numpy as np
        import cycnn
        from cycnn import functional as F
        warnings.simplefilter("ignore", DeprecationWarning)      # fork with threads alive
        cycnn.set_num_threads(2)
        rng = np.random.default_rng(0)
        x = rng.standard_normal((8, 16, 32, 32)).astype(np.float32)
        weight = rng.standard_normal((16, 16, 3, 3)).astype(np.float32)
        expected = F.conv2d(x, weight)
        child = os.fork()
        if child == 0:
            same = (F.conv2d(x, weight) == expected).all()
            cycnn.set_num_threads(2)                             # must not revive the threads
            same = same and (F.conv2d(x, weight) == expected).all()
            grandchild = os.fork()
            if grandchild == 0:
                os._exit(0 if (F.relu(x) == x.clip(0)).all() else 1)
            same = same and os.waitpid(grandchild, 0)[1] == 0
            os._exit(0 if same and cycnn.get_num_threads() == 1 else 1)
        limit = time.monotonic() + 30
        while time.monotonic() < limit:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                assert status == 0, f"the child ended with status {status}"
                break
            time.sleep(0.01)
        else:
            os.kill(child, signal.SIGKILL)
            raise AssertionError("the child hangs")
        assert (F.conv2d(x, weight) == expected).all()           # and the parent goes on
        assert cycnn.get_num_threads() == 2
    """)


# --- how many -------------------------------------------------------------------------------

@pytest.fixture
def restored():
    before = cycnn.get_num_threads()
    yield
    cycnn.set_num_threads(before)


@needs_openmp
def test_set_and_get(restored):
    for number in (1, 3, np.int64(2)):
        cycnn.set_num_threads(number)
        assert cycnn.get_num_threads() == number


@needs_openmp
def test_context_manager(restored):
    cycnn.set_num_threads(2)
    with cycnn.num_threads(3):
        assert cycnn.get_num_threads() == 3
        with cycnn.num_threads(1):
            assert cycnn.get_num_threads() == 1
        assert cycnn.get_num_threads() == 3
    assert cycnn.get_num_threads() == 2
    with pytest.raises(ZeroDivisionError), cycnn.num_threads(1):
        1 / 0
    assert cycnn.get_num_threads() == 2


@pytest.mark.parametrize("number, error", [
    (0, ValueError), (-1, ValueError), (2**40, ValueError), (1.5, TypeError), ("2", TypeError),
    (None, TypeError), (True, TypeError)])
def test_refused_numbers(number, error, restored):
    before = cycnn.get_num_threads()
    with pytest.raises(error, match="num"):
        cycnn.set_num_threads(number)
    with pytest.raises(error, match="num"), cycnn.num_threads(number):
        pass
    assert cycnn.get_num_threads() == before


SHOW = "import cycnn; print(cycnn.get_num_threads())"


@needs_openmp
@pytest.mark.parametrize("environment, number", [
    ({"CYCNN_NUM_THREADS": "3"}, 3), ({"OMP_NUM_THREADS": "3"}, 3),
    ({"OMP_NUM_THREADS": "3,2"}, 3), ({"CYCNN_NUM_THREADS": "1", "OMP_NUM_THREADS": "3"}, 1)])
def test_environment(environment, number):
    environment = {"CYCNN_NUM_THREADS": "", "OMP_NUM_THREADS": "", **environment}
    assert script(SHOW, **environment) == str(number)


def test_default_is_what_the_machine_allows():
    affinity = script("import os; print(len(os.sched_getaffinity(0)))"
                      if hasattr(__import__("os"), "sched_getaffinity")
                      else "import os; print(os.cpu_count())")
    number = int(script(SHOW, CYCNN_NUM_THREADS="", OMP_NUM_THREADS=""))
    assert 1 <= number <= int(affinity)
    if cpu.openmp_version():
        assert number == min(int(affinity), cpu.cgroup_quota() or int(affinity))


@pytest.mark.parametrize("text", ["0", "-2", "many", "1.5"])
def test_refused_environment(text):
    done = run_python("-c", SHOW, CYCNN_NUM_THREADS=text)
    assert done.returncode == 1
    assert "ImportError: CYCNN_NUM_THREADS" in done.stderr and text in done.stderr


@pytest.mark.parametrize("environment, number", [
    ({}, "10000"), ({"GOMP_SPINCOUNT": "77"}, "77"), ({"OMP_WAIT_POLICY": "PASSIVE"}, "0")])
def test_waiting_threads_soon_let_others_run(environment, number):
    """What libgomp says that it has read; other OpenMP libraries print none of it."""
    unset = {"GOMP_SPINCOUNT": None, "OMP_WAIT_POLICY": None}
    done = run_python("-c", SHOW + "; import os; print(os.environ.get('GOMP_SPINCOUNT'))",
                      OMP_DISPLAY_ENV="VERBOSE", **{**unset, **environment})
    assert done.stdout.split()[1] == environment.get("GOMP_SPINCOUNT", "None")      # as it was
    spins = re.findall(r"GOMP_SPINCOUNT = '(\d+)'", done.stderr)
    if not spins:
        pytest.skip("the OpenMP library is not libgomp")
    assert spins == [number]


def test_small_work_stays_serial():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu, "SERIAL_WORK", 1000)
        before = cpu.get_num_threads()
        cpu.set_num_threads(4)
        try:
            counts = [cpu.threads_for(work) for work in (0, 1, 1999, 2000, 3500, 4000, 1e12)]
        finally:
            cpu.set_num_threads(before)
    assert counts == ([1, 1, 1, 2, 3, 4, 4] if cpu.openmp_version() else [1] * 7)
