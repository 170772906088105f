"""What `import cycnn` does to the process that imports it: nothing that anybody notices."""

import ast
import importlib.util
import json
import sys
import textwrap

import pytest

from helpers import TESTS, run_python

SETUP = TESTS.parent / "setup.py"


def script(text, **environment):
    """Run a Python script; returns what it printed, as JSON."""
    done = run_python("-c", textwrap.dedent(text), timeout=180, **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def imported():
    """What there was before and after the import, and after a convolution on two threads."""
    return script("""
        import json, os, signal, sys, warnings
        import numpy as np

        def state():
            return {
                "subnormal": [float(np.finfo(kind).smallest_subnormal) for kind in "fd"],
                "halved": [float(np.array(np.finfo(kind).tiny, kind) / kind(2)) > 0
                           for kind in (np.float32, np.float64)],
                "errors": np.geterr(), "warnings": len(warnings.filters),
                "signals": [str(signal.getsignal(number)) for number in signal.valid_signals()],
                "environment": dict(os.environ), "path": list(sys.path)}

        events, before, modules = [], state(), set(sys.modules)
        sys.addaudithook(lambda event, arguments: events.append(event) if event.startswith(
            ("socket.", "urllib.", "http.", "ftplib.", "smtplib.", "subprocess.", "os.system",
             "os.exec", "os.fork", "os.posix_spawn", "os.startfile")) else None)
        import cycnn as cn
        new = {name: getattr(sys.modules[name], "__file__", None)
               for name in set(sys.modules) - modules}
        after = state()
        cn.set_num_threads(2)
        x = np.ones((8, 8, 64, 64), np.float32)
        cn.functional.conv2d(x, np.ones((16, 8, 3, 3), np.float32))
        print(json.dumps({"before": before, "after": after, "used": state(), "events": events,
                          "modules": new, "stdlib": sorted(sys.stdlib_module_names)}))
    """)


def test_the_float_mode_stays(imported):
    """No flag of the build may flush subnormal numbers to zero: that would be for everybody."""
    for when in ("before", "after", "used"):
        assert min(imported[when]["subnormal"]) > 0
        assert imported[when]["halved"] == [True, True]


def test_nothing_else_of_the_process_changes(imported):
    assert imported["after"] == imported["before"]
    assert imported["used"] == imported["before"]


def test_no_connection_and_no_process_is_opened(imported):
    assert imported["events"] == []


def test_numpy_and_the_standard_library_are_all_that_is_imported(imported):
    assert "cycnn.kernels" in imported["modules"]
    foreign = {name for name, file in imported["modules"].items()
               if name.partition(".")[0] not in {*imported["stdlib"], "numpy", "cycnn"}}
    # What Cython's modules make of nothing, for themselves.
    foreign -= {name for name in foreign
                if name.startswith(("_cython_", "cython_runtime"))
                and imported["modules"][name] is None}
    assert not foreign


FORBIDDEN = ("native", "fast", "-funsafe-math", "-ffinite-math", "-fassociative-math", "-mdaz",
             "-freciprocal-math", "-fno-signed-zeros")


@pytest.mark.skipif(not SETUP.exists(), reason="setup.py is in the checkout alone")
def test_flags_of_the_build():
    """For every compiler: none that asks what this machine is, none that changes what sums are."""
    strings = [node.value for node in ast.walk(ast.parse(SETUP.read_text()))
               if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    flags = [text for text in strings if text.startswith(("-", "/")) and " " not in text]
    assert {"-O2", "/O2", "-march=x86-64-v2", "-march=x86-64-v3", "-march=x86-64-v4"} <= set(flags)
    assert not [flag for flag in flags if any(word in flag for word in FORBIDDEN)]
    assert {flag for flag in flags if flag.startswith(("-march", "-mcpu", "-mtune", "/arch"))} == {
        "-march=x86-64-v2", "-march=x86-64-v3", "-march=x86-64-v4", "/arch:AVX2", "/arch:AVX512"}


# --- beside others that bring an OpenMP runtime of their own ---------------------------------

USE = {
    "torch": """
        torch.set_num_threads(2)
        convolved = torch.conv2d(torch.from_numpy(x), torch.from_numpy(weight)).numpy()
        assert abs(convolved - expected).max() < 1e-3
    """,
    "sklearn": """
        from sklearn.cluster import KMeans
        assert KMeans(2, n_init=1, random_state=0).fit(x.reshape(8, -1)).labels_.shape == (8,)
    """,
}


@pytest.mark.parametrize("order", ["cycnn first", "cycnn last"])
@pytest.mark.parametrize("library", USE)
def test_beside(library, order):
    """Both compute on two threads, in turns; then a forked child does, and ends."""
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    imports = ["import cycnn as cn", f"import {library}"]
    lines = imports if order == "cycnn first" else imports[::-1]
    text = "\n".join(["import json, os, signal, time, warnings", *lines, textwrap.dedent("""
        import numpy as np
        warnings.simplefilter("ignore", DeprecationWarning)      # fork with threads alive
        cn.set_num_threads(2)
        rng = np.random.default_rng(0)
        x = rng.standard_normal((8, 16, 32, 32)).astype(np.float32)
        weight = rng.standard_normal((16, 16, 3, 3)).astype(np.float32)
        expected = cn.functional.conv2d(x, weight)
        """), textwrap.dedent(USE[library]), textwrap.dedent("""
        assert (cn.functional.conv2d(x, weight) == expected).all()
        assert np.finfo(np.float32).smallest_subnormal > 0
        ended = None
        if hasattr(os, "fork"):
            child = os.fork()
            if child == 0:
                os._exit(0 if (cn.functional.conv2d(x, weight) == expected).all() else 1)
            limit = time.monotonic() + 20
            while ended is None and time.monotonic() < limit:
                done, status = os.waitpid(child, os.WNOHANG)
                ended = status if done else None
                time.sleep(0.005)
            if ended is None:
                os.kill(child, signal.SIGKILL)
                raise AssertionError("the child hangs")
        assert (cn.functional.conv2d(x, weight) == expected).all()
        print(json.dumps(ended))
        """)])
    assert script(text) in (0, None)


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_a_convolution_without_memory_to_work_in_raises():
    """Of whichever kernels, for whichever pass: a MemoryError, and the next call runs."""
    messages = script("""
        import json, resource
        import numpy as np
        import cycnn as cn
        from cycnn.functional import conv2d, conv2d_backward

        def ones(n, channels, height, width):
            return np.ones((n, height, width, channels), np.float32).transpose(0, 3, 1, 2)

        def attempt(call):
            try:
                call()
            except MemoryError as error:
                messages.append(str(error))

        cn.set_num_threads(1)
        # Large weights for y and dx, for the gradient of the weight wide rows, few or many.
        cases = [(ones(1, 512, 6, 6), (256, 512, 3, 3), 0, ones(1, 256, 4, 4), "direct"),
                 (ones(1, 512, 6, 6), (256, 512, 3, 3), 0, ones(1, 256, 4, 4), "winograd"),
                 (ones(1, 8, 3, 40000), (4, 8, 3, 3), 1, ones(1, 4, 3, 40000), "direct"),
                 (ones(16, 8, 6, 2000), (4, 8, 3, 3), 1, ones(16, 4, 6, 2000), "direct"),
                 (ones(16, 8, 6, 1000), (4, 8, 3, 3), 1, ones(16, 4, 6, 1000), "winograd")]
        weights = [np.ones(shape, np.float32) for _, shape, *_ in cases]
        small = conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3)))
        _, limit = resource.getrlimit(resource.RLIMIT_AS)
        with open("/proc/self/statm") as file:
            held = int(file.read().split()[0]) * resource.getpagesize()
        # Enough for results, not for what they are worked out in.
        resource.setrlimit(resource.RLIMIT_AS, (held + 250000, limit))
        messages = []
        for (x, _, padding, dy, algorithm), weight in zip(cases, weights):
            options = {"padding": padding, "algorithm": algorithm}
            if weight.size > 1000:
                attempt(lambda: conv2d(x, weight, **options))
                attempt(lambda: conv2d_backward(dy, x, weight, weight_gradient=False, **options))
            else:
                attempt(lambda: conv2d_backward(dy, x, weight, input_gradient=False, **options))
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        assert (conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3))) == small).all()
        print(json.dumps(messages))
    """)
    assert len(messages) == 7
    assert all("working buffers of a convolution" in message for message in messages), messages
