"""Suite `pools`: 2 x 2 max-pooling, forward and backward, against PyTorch."""

from functools import partial

import numpy as np

from cycnn import functional as F

from . import peers
from .timing import best, interleave, quartiles, spread

# N, C, H (= W). float32.
SHAPES = [(128, 32, 28), (128, 64, 14), (32, 64, 32), (32, 32, 112)]
QUICK_SHAPES = [SHAPES[1]]

COLUMNS = ("shape", "pass", "threads", "us", "GB/s", "PyTorch us", "faster than PyTorch")
PEERS = {"ratio": "PyTorch"}


def run(threads, rounds, seconds, quick=False, **_):
    """Yield one result, a dict, for each shape and pass."""
    for shape, number in peers.with_threads(QUICK_SHAPES if quick else SHAPES, threads):
        yield from measure(shape, number, rounds, seconds)


def measure(shape, threads, rounds, seconds):
    n, c, size = shape
    rng = np.random.default_rng(0)
    # Channels last, as inside a model; whole numbers, among which some windows have two winners.
    x = rng.integers(-9, 10, (n, size, size, c)).astype(np.float32).transpose(0, 3, 1, 2)
    dy = rng.standard_normal((n, size // 2, size // 2, c), np.float32).transpose(0, 3, 1, 2)
    y, winners = F.pool.max_pool2d_with_winners(x, 2)
    ours = {"forward": partial(F.pool.max_pool2d_with_winners, x, 2),
            "backward": partial(F.pool.max_pool2d_winners_backward, dy, winners, x.shape, 2)}
    theirs = {name: peers.max_pool2d(x, dy, 2, memory_format)
              for name, memory_format in peers.FORMATS.items()}
    check_agreement(shape, ours, theirs)

    # What has to be read and written whoever does it: x and y, or dy and dx.
    moved = x.nbytes + y.nbytes
    for name, function in ours.items():
        times = interleave({"cycnn": function,
                            **{format_: passes[name] for format_, passes in theirs.items()}},
                           rounds, seconds)
        result = {"suite": "pools", "shape": list(shape), "pass": name, "threads": threads,
                  "microseconds": quartiles(1e6 * times["cycnn"]),
                  "gigabytes_per_second": quartiles(moved / times["cycnn"] / 1e9)}
        if theirs:
            chosen = best(times, theirs)
            result["torch_format"] = chosen
            result["torch_microseconds"] = quartiles(1e6 * times[chosen])
            result["ratio"] = quartiles(times[chosen] / times["cycnn"])
        yield result


def check_agreement(shape, ours, theirs):
    """Raise unless all sides compute the same numbers."""
    expected = {"forward": ours["forward"]()[0], "backward": ours["backward"]()}
    for format_, passes in theirs.items():
        for name, function in passes.items():
            if not np.array_equal(function().numpy(), expected[name]):
                raise RuntimeError(f"max-pool {name} of {shape}: cycnn and {format_} differ")


def notes(results):
    """What stands under the table."""
    return [("2 x 2 windows, float32, as in training: each side keeps which pixel won, cycnn in a "
             "byte, PyTorch in eight; GB/s counts images and gradients alone")]


def cells(result):
    """The result as the cells of a table's row."""
    n, c, size = result["shape"]
    row = [f"{n} x {c} x {size} x {size}", result["pass"], str(result["threads"]),
           spread(result["microseconds"], ",.0f"), f"{result['gigabytes_per_second'][0]:.1f}"]
    if "ratio" not in result:
        return [*row, "-", "-"]
    return [*row, f"{result['torch_microseconds'][0]:,.0f} ({result['torch_format']})",
            spread(result["ratio"])]
