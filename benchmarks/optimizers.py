"""Suite `optimizers`: a step on 1.2 million weights, against PyTorch's default and `fused=True`."""

import numpy as np

import cycnn as cn
from cycnn.functional._memory import aligned

from . import peers
from .timing import interleave, quartiles, spread

# PyTorch's MNIST example: 1,199,882 weights.
SHAPES = [(32, 1, 3, 3), (32,), (64, 32, 3, 3), (64,), (128, 9216), (128,), (10, 128), (10,)]
CASES = [("SGD", {}), ("SGD", {"momentum": 0.9}),
         ("SGD", {"momentum": 0.9, "weight_decay": 5e-4, "nesterov": True}),
         ("Adam", {}), ("Adam", {"amsgrad": True}), ("AdamW", {}),
         ("RMSprop", {}), ("RMSprop", {"momentum": 0.9, "centered": True})]
QUICK_CASES = [CASES[0], CASES[5], CASES[6]]
LR = 1e-3
# How far weights of order 0.1 may be apart after ten steps: rounding, and ten times that.
AGREE = 1e-6

COLUMNS = ("optimizer", "threads", "us", "PyTorch us", "faster than PyTorch", "fused us",
           "faster than fused")
PEERS = {"ratio": "PyTorch", "fused_ratio": "PyTorch's fused=True"}


def run(threads, rounds, seconds, quick=False, **_):
    """Yield one result, a dict, for each optimizer."""
    for (name, options), number in peers.with_threads(QUICK_CASES if quick else CASES, threads):
        yield measure(name, options, number, rounds, seconds)


def measure(name, options, threads, rounds, seconds):
    rng = np.random.default_rng(0)
    weights = [0.1 * rng.standard_normal(shape, np.float32) for shape in SHAPES]
    grads = [0.01 * rng.standard_normal(shape, np.float32) for shape in SHAPES]
    # Where layers and their gradients lie, on cache lines.
    parameters = [cn.Parameter(aligned(weight)) for weight in weights]
    for parameter, grad in zip(parameters, grads):
        parameter.grad = aligned(grad)
    theirs = peers.optimizers(name, options, LR, weights, grads)
    sides = {"cycnn": getattr(cn, name)(parameters, lr=LR, **options).step,
             **{side: step for side, (step, _) in theirs.items()}}
    check_agreement(name, options, sides, parameters, theirs)
    times = interleave(sides, rounds, seconds)
    result = {"suite": "optimizers", "optimizer": name, "options": options, "threads": threads,
              "microseconds": quartiles(1e6 * times["cycnn"])}
    for side, key in (("torch", ""), ("fused", "fused_")):
        if side in times:
            result[f"{side}_microseconds"] = quartiles(1e6 * times[side])
            result[f"{key}ratio"] = quartiles(times[side] / times["cycnn"])
    return result


def check_agreement(name, options, sides, parameters, theirs):
    """Raise unless all sides come to the same weights in ten steps."""
    for step in sides.values():
        for _ in range(10):
            step()
    for side, (_, weights) in theirs.items():
        for parameter, weight in zip(parameters, weights()):
            if not np.allclose(parameter.data, weight, rtol=0, atol=AGREE):
                raise RuntimeError(f"{name} {options}: cycnn and {side} differ")


def notes(results):
    """What stands under the table."""
    return ["1,199,882 weights in 8 arrays, float32, their gradients in arrays too"]


def cells(result):
    """The result as the cells of a table's row."""
    options = ", ".join(f"{name}={value}" for name, value in result["options"].items())
    row = [f"{result['optimizer']} {options}".strip(), str(result["threads"]),
           spread(result["microseconds"], ",.0f")]
    for side, key in (("torch", ""), ("fused", "fused_")):
        row += ([f"{result[f'{side}_microseconds'][0]:,.0f}", spread(result[f"{key}ratio"])]
                if f"{key}ratio" in result else ["-", "-"])
    return row
