"""``cycnn bench``: how fast this machine is."""

import time

import numpy as np

import cycnn as cn

from .. import functional, models
from .shared import threads


def run(args):
    """Print what single convolutions and whole steps take."""
    print(f"cycnn {cn.__version__}, {cn.show_config('dicts')['instruction set']}, {threads()}; "
          "median of repeated runs")
    rng = np.random.default_rng(0)
    for images, channels, side in ((32, 32, 28), (32, 64, 14), (32, 128, 7)):
        x = rng.normal(size=(images, side, side, channels)).astype(np.float32)
        x = x.transpose(0, 3, 1, 2)
        weight = rng.normal(size=(channels, channels, 3, 3)).astype(np.float32)
        seconds = median_seconds(lambda: functional.conv2d(x, weight, padding=1))
        operations = 2 * images * side * side * channels * channels * 9
        print(f"convolution 3x3, {channels:3} to {channels:3} channels, {images} images of "
              f"{side:2}x{side:<2}  {operations / seconds / 1e9:8.0f} GFLOP/s")
    model = models.convnet((1, 28, 28), 10)
    optimizer = cn.SGD(model.parameters(), lr=0.01, momentum=0.9)
    loss = cn.CrossEntropyLoss()
    x = rng.normal(size=(64, 1, 28, 28)).astype(np.float32)
    labels = rng.integers(0, 10, 64)

    def step():
        loss.forward(model.forward(x), labels)
        model.backward(loss.backward(), input_gradient=False)
        optimizer.step()

    for name, work in (("training", step), ("prediction", lambda: model.predict_proba(x))):
        print(f"{name} of the network of cycnn train, 28x28 images, 64 at a time  "
              f"{64 / median_seconds(work):,.0f} images/s")
    print("GFLOP/s: 2 x multiply-adds of the convolution's definition, per second")


def median_seconds(work, seconds=0.7):
    work()
    times = []
    while sum(times) < seconds or len(times) < 5:
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return float(np.median(times))
