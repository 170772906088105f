"""Suite `kernels`: each pass of a convolution, against the peak and against PyTorch."""

from functools import partial

import numpy as np

from cycnn import functional as F

from . import peers
from .timing import Peak, best, interleave, quartiles, spread

# N, C, H, K, kernel, stride, padding[, groups]: batch, input channels, height and width, output
# channels. float32.
SHAPES = [
    (128, 1, 28, 16, 5, 1, 2),
    (128, 16, 28, 32, 5, 1, 2),
    (128, 6, 14, 16, 5, 1, 0),
    (64, 32, 14, 64, 3, 1, 1),
    (32, 3, 32, 32, 3, 1, 1),
    (32, 64, 32, 64, 3, 1, 1),
    (32, 128, 16, 128, 3, 1, 1),
    (16, 64, 56, 64, 3, 1, 1),
    (16, 256, 14, 256, 3, 1, 1),
    (16, 64, 56, 256, 1, 1, 0),
    (16, 128, 28, 128, 3, 2, 1),
    (8, 3, 224, 64, 7, 2, 3),
    (1, 1, 28, 8, 3, 1, 0),
    (128, 6, 28, 6, 5, 1, 2),
    (32, 64, 32, 64, 3, 1, 1, 64),
]
QUICK_SHAPES = [SHAPES[2], SHAPES[12]]

COLUMNS = ("shape", "pass", "threads", "GFLOP/s", "peak", "of peak", "PyTorch",
           "faster than PyTorch")
PEERS = {"ratio": "PyTorch"}


def run(threads, rounds, seconds, quick=False, dtype="float32", **_):
    """Yield one result, a dict, for each shape and pass."""
    for shape, number in peers.with_threads(QUICK_SHAPES if quick else SHAPES, threads):
        yield from measure(shape, number, rounds, seconds, dtype)


def measure(shape, threads, rounds, seconds, dtype="float32"):
    n, c, size, k, kernel, stride, padding, groups = (*shape, 1)[:8]
    rng = np.random.default_rng(0)
    # Channels last, as inside a model.
    x = rng.standard_normal((n, size, size, c), dtype).transpose(0, 3, 1, 2)
    weight = rng.standard_normal((k, c // groups, kernel, kernel), dtype)
    options = dict(stride=stride, padding=padding, groups=groups)
    y = F.conv2d(x, weight, **options)
    dy = rng.standard_normal((n, *y.shape[2:], k), dtype).transpose(0, 3, 1, 2)

    ours = {"forward": partial(F.conv2d, x, weight, **options),
            "input gradient": partial(F.conv2d_backward, dy, x, weight, **options,
                                      weight_gradient=False),
            "weight gradient": partial(F.conv2d_backward, dy, x, weight, **options,
                                       input_gradient=False)}
    theirs = {name: peers.conv2d(x, weight, dy, stride, padding, groups, memory_format)
              for name, memory_format in peers.FORMATS.items()}
    operations = 2 * y.size * weight[0].size
    # The loop that measures the peak is float32's; a vector holds half as many of double.
    peak, share = Peak(threads), 4 / x.itemsize
    for name, function in ours.items():
        times = interleave({"cycnn": function, "peak": peak,
                            **{format_: passes[name] for format_, passes in theirs.items()}},
                           rounds, seconds)
        gflops = operations / times["cycnn"] / 1e9
        result = {"suite": "kernels", "shape": list(shape), "pass": name, "threads": threads,
                  "dtype": dtype, "gflops": quartiles(gflops),
                  "of_peak": quartiles(gflops / peak.gflops(times["peak"]) / share),
                  "peak_gflops": quartiles(peak.gflops(times["peak"]) * share)}
        if theirs:
            chosen = best(times, theirs)
            result["torch_format"] = chosen
            result["torch_gflops"] = quartiles(operations / times[chosen] / 1e9)
            result["ratio"] = quartiles(times[chosen] / times["cycnn"])
        yield result


def notes(results):
    """What stands under the table."""
    dtype = results[0]["dtype"] if results else "float32"
    return [f"{dtype}, channels last, without bias; of PyTorch's two memory formats the faster"]


def describe(shape):
    """A shape in words: ``128 x 1 x 28 x 28 -> 16, 5x5``."""
    n, c, size, k, kernel, stride, _, *groups = shape
    return (f"{n} x {c} x {size} x {size} -> {k}, {kernel}x{kernel}"
            + f" stride {stride}" * (stride > 1) + " depthwise" * bool(groups))


def cells(result):
    """The result as the cells of a table's row."""
    row = [describe(result["shape"]), result["pass"], str(result["threads"]),
           spread(result["gflops"], ".0f"), f"{result['peak_gflops'][0]:.0f}",
           f"{result['of_peak'][0]:.2f}"]
    if "ratio" not in result:
        return [*row, "-", "-"]
    return [*row, f"{result['torch_gflops'][0]:.0f} ({result['torch_format']})",
            spread(result["ratio"])]
