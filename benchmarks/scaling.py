"""Suite `scaling`: two threads against one, and time against images, pixels and channels."""

import math
from functools import partial

import numpy as np

import cycnn as cn
from cycnn import functional as F

from . import nets, peers, training
from .timing import interleave, quartiles, spread

BATCH = 128                                 # of the networks, on one thread and on more
BATCHES = (32, 64, 128, 256, 512, 1024)     # of net D
SIZES = (14, 28, 56, 112)                   # of the images that one convolution sees
CHANNELS = (16, 32, 64, 128, 256)           # of the same, at 28 x 28
LAYER = {"n": 16, "c": 32, "size": 28, "k": 64}     # the convolution, 3 x 3, where it does not vary

COLUMNS = ("what", "at", "threads", "us", "per unit", "against the first")
PEERS = {}


def run(threads, rounds, seconds, names=None, batches=None, quick=False, **_):
    """Yield one result, a dict, for each network, number of images, of pixels and of channels."""
    most = max(threads)
    if most > 1:
        for name in names or nets.NETS:
            yield from of_threads(name, 8 if quick else BATCH, most, rounds, seconds)
    peers.set_num_threads(most)
    rng = np.random.default_rng(0)
    short = slice(2 if quick else None)
    yield from series("net D, forward and backward", "images", "us/image",
                      {number: (passes_of_net("D", number, rng), number)
                       for number in BATCHES[short]}, most, rounds, seconds)
    yield from series("convolution, forward and backward", "pixels a side", "ns/pixel",
                      {size: (passes_of_layer(rng, size=size), LAYER["n"] * size * size / 1e3)
                       for size in SIZES[short]}, most, rounds, seconds)
    yield from series("convolution, forward and backward", "input channels",
                      "us/channel", {c: (passes_of_layer(rng, c=c), c) for c in CHANNELS[short]},
                      most, rounds, seconds)


def of_threads(name, batch, most, rounds, seconds):
    """One training step on one thread, and on `most`."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, *nets.SHAPE), np.float32)
    step = training.our_step(nets.build(name), x, rng.integers(0, nets.CLASSES, batch))

    def on(number):
        cn.set_num_threads(number)
        step()

    times = interleave({number: partial(on, number) for number in (1, most)}, rounds, seconds)
    for number, taken in times.items():
        yield {"suite": "scaling", "series": f"net {name}, training step", "variable": "threads",
               "at": batch, "threads": number, "microseconds": quartiles(1e6 * taken),
               "per_unit": quartiles(1e6 * taken / batch), "unit": "us/image",
               "relative": quartiles(times[1] / taken)}


def series(what, variable, unit, points, threads, rounds, seconds):
    """`points`: {number: (function, units of work)}; all of them take turns."""
    times = interleave({at: function for at, (function, _) in points.items()}, rounds, seconds)
    per_unit = {at: 1e6 * taken / points[at][1] for at, taken in times.items()}
    first = per_unit[min(points)]
    for at, taken in times.items():
        yield {"suite": "scaling", "series": what, "variable": variable, "at": at,
               "threads": threads, "microseconds": quartiles(1e6 * taken),
               "per_unit": quartiles(per_unit[at]), "unit": unit,
               "relative": quartiles(per_unit[at] / first)}


def passes_of_net(name, batch, rng):
    """Forward and backward, without the optimizer's step, which no batch makes longer."""
    model = nets.build(name)
    x = rng.standard_normal((batch, *nets.SHAPE), np.float32)
    dy = rng.standard_normal((batch, nets.CLASSES), np.float32)

    def passes():
        model.forward(x)
        model.backward(dy, input_gradient=False)

    return passes


def passes_of_layer(rng, **different):
    """All three passes of one convolution."""
    n, c, size, k = (LAYER | different).values()
    x = rng.standard_normal((n, size, size, c), np.float32).transpose(0, 3, 1, 2)
    dy = rng.standard_normal((n, size, size, k), np.float32).transpose(0, 3, 1, 2)
    weight = rng.standard_normal((k, c, 3, 3), np.float32) / np.float32(math.sqrt(9 * c))

    def passes():
        F.conv2d(x, weight, padding=1)
        F.conv2d_backward(dy, x, weight, padding=1)

    return passes


def notes(results):
    """What stands under the table."""
    gains = [result["relative"][0] for result in results
             if result["variable"] == "threads" and result["threads"] > 1]
    lines = ["The convolution: {n} images of {size} x {size}, {c} -> {k} channels, 3x3, but for "
             "what varies. Against the first: how many times the time a unit of the smallest; with "
             "threads how many times as fast as one.".format(**LAYER)]
    if gains:
        lines.append(f"More threads against one: geometric mean "
                     f"{np.exp(np.mean(np.log(gains))):.2f}, lowest {min(gains):.2f}.")
    return lines


def cells(result):
    """The result as the cells of a table's row."""
    at = result["at"], "images" if result["variable"] == "threads" else result["variable"]
    return [result["series"], "{} {}".format(*at), str(result["threads"]),
            spread(result["microseconds"], ",.0f"), f"{result['per_unit'][0]:.2f} {result['unit']}",
            spread(result["relative"])]
