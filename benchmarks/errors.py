"""Suite `errors`: how far float32 convolution is from float64, by both algorithms.

Nothing here is timed. Images and gradients have variance 1 and weights 1 / (C r r), so that results
of the forward pass have about 1 too, as in a network at its beginning.
"""

import numpy as np

from cycnn import functional as F

from . import kernels

# Besides those of the suite `kernels` that Winograd's algorithm can do; see there.
MORE = [(8, c, 28, k, kernel, 1, kernel // 2) for kernel in (3, 5)
        for c, k in ((16, 16), (32, 64), (64, 64), (128, 128), (256, 256))]
SHAPES = [shape for shape in kernels.SHAPES
          if shape[4] in (3, 5) and shape[5] == 1 and len(shape) == 7] + MORE
QUICK_SHAPES = [(128, 6, 14, 16, 5, 1, 0), (1, 1, 28, 8, 3, 1, 0)]

ALGORITHMS = ("direct", "winograd")
PASSES = ("forward", "input gradient", "weight gradient")
MEASURES = ("largest_of_largest", "rms_of_largest", "largest_of_deviation", "rms_of_deviation")
COLUMNS = ("shape", "pass", "algorithm", "largest error / largest number", "rms / largest number",
           "largest error / deviation", "rms / deviation")
PEERS = {}


def run(threads, rounds, seconds, quick=False, **_):
    """Yield one result, a dict, for each shape, pass and algorithm."""
    for shape in QUICK_SHAPES if quick else SHAPES:
        yield from measure(shape)


def measure(shape):
    n, c, size, k, kernel, _, padding = shape
    rng = np.random.default_rng(0)
    # Rounded to float32 first: the errors of the data are not those of the algorithm.
    x, weight, dy = (
        array.astype(np.float32) for array in (
            rng.standard_normal((n, c, size, size)),
            rng.standard_normal((k, c, kernel, kernel)) / np.sqrt(c * kernel * kernel),
            rng.standard_normal((n, k, *[size + 2 * padding - kernel + 1] * 2))))

    def passes(dtype, algorithm):
        inputs = x.astype(dtype), weight.astype(dtype)
        y = F.conv2d(*inputs, padding=padding, algorithm=algorithm)
        dx, dweight, _ = F.conv2d_backward(dy.astype(dtype), *inputs, padding=padding,
                                           algorithm=algorithm)
        return dict(zip(PASSES, (y, dx, dweight)))

    exact = passes(np.float64, "direct")
    for algorithm in ALGORITHMS:
        for name, values in passes(np.float32, algorithm).items():
            error = np.abs(values - exact[name])
            largest, rms = error.max(), np.sqrt(np.mean(error ** 2))
            scale, deviation = np.abs(exact[name]).max(), exact[name].std()
            yield {"suite": "errors", "shape": list(shape), "pass": name, "algorithm": algorithm,
                   **dict(zip(MEASURES, map(float, (largest / scale, rms / scale,
                                                    largest / deviation, rms / deviation))))}


def notes(results):
    """The same in short: the worst shape of each kernel size, pass and algorithm."""
    lines = ["Data of variance 1, weights of 1 / (C r r). Of each column the worst shape:", "",
             "| kernel | " + " | ".join(COLUMNS[1:]) + " |", "|---" * len(COLUMNS) + "|"]
    sizes = sorted({result["shape"][4] for result in results})
    for size in sizes:
        for name in PASSES:
            for algorithm in ALGORITHMS:
                chosen = [result for result in results if result["shape"][4] == size
                          and (result["pass"], result["algorithm"]) == (name, algorithm)]
                worst = [f"{max(result[measure] for result in chosen):.1e}"
                         for measure in MEASURES]
                lines.append(f"| {size}x{size} | {name} | {algorithm} | {' | '.join(worst)} |")
    lines += ["", *(f"{size}x{size}: {gap(results, size)}" for size in sizes)]
    return lines


def gap(results, size):
    """How many times as large Winograd's errors are, shape by shape."""
    rms = {(*result["shape"], result["pass"], result["algorithm"]): result["rms_of_largest"]
           for result in results if result["shape"][4] == size}
    ratios = [error / rms[(*case, "direct")] for (*case, algorithm), error in rms.items()
              if algorithm == "winograd"]
    return (f"Winograd's rms is {np.median(ratios):.1f} times direct's in the median, "
            f"{min(ratios):.1f} to {max(ratios):.1f} times in all cases.")


def cells(result):
    """The result as the cells of a table's row."""
    return [kernels.describe(result["shape"]), result["pass"], result["algorithm"],
            *(f"{result[measure]:.1e}" for measure in MEASURES)]
