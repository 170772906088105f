"""Suite `resnet`: whole training steps (forward, loss, backward, SGD) of resnet20 on 3x32x32."""

import copy

import numpy as np

import cycnn as cn

from . import peers
from .timing import best, interleave, quartiles, spread
from .training import LR, check_agreement, our_step

SHAPE, CLASSES = (3, 32, 32), 10

COLUMNS = ("net", "batch", "threads", "us/step", "images/s", "PyTorch us/step",
           "faster than PyTorch")
PEERS = {"ratio": "PyTorch"}


def run(threads, rounds, seconds, batches=None, quick=False, **_):
    """Yield one result, a dict, for each batch size and number of threads."""
    for batch, number in peers.with_threads(batches or ((2,) if quick else (128,)), threads):
        yield measure(batch, number, rounds, seconds)


def measure(batch, threads, rounds, seconds):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, *SHAPE), np.float32)
    labels = rng.integers(0, CLASSES, batch)
    model = cn.models.resnet20(SHAPE, CLASSES)
    sides = {"cycnn": our_step(model, x, labels)}
    if peers.torch is not None:
        twin = twin_of(model)
        twin.load_state_dict({key: peers.torch.tensor(value)
                              for key, value in model.state_dict().items()})
        for format_, memory_format in peers.FORMATS.items():
            sides[format_] = peers.training_step(copy.deepcopy(twin), x, labels, LR, memory_format)
    check_agreement("resnet20", batch, sides)

    times = interleave(sides, rounds, seconds)
    result = {"suite": "resnet", "net": "resnet20", "batch": batch, "threads": threads,
              "microseconds": quartiles(1e6 * times["cycnn"]),
              "images_per_second": quartiles(batch / times["cycnn"])}
    if peers.torch is not None:
        chosen = best(times, peers.FORMATS)
        result["torch_format"] = chosen
        result["torch_microseconds"] = {name: quartiles(1e6 * times[name])
                                        for name in peers.FORMATS}
        result["ratios"] = {name: quartiles(times[name] / times["cycnn"])
                            for name in peers.FORMATS}
        result["ratio"] = result["ratios"][chosen]
    return result


def twin_of(module):
    """The same network of torch.nn, where the names are the same."""
    nn, kind = peers.torch.nn, type(module).__name__
    if kind == "Sequential":
        return nn.Sequential(*map(twin_of, module))
    if kind == "Residual":
        return _residual(twin_of(module.body), module.shortcut and twin_of(module.shortcut))
    if kind == "GlobalAvgPool2d":
        return nn.AdaptiveAvgPool2d(1)
    return getattr(nn, kind)(**{name: value for name, value in module.config().items()
                                if name != "dtype" and (kind, name) != ("BatchNorm2d", "bias")})


def _residual(body, shortcut):
    class Residual(peers.torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.shortcut = body, shortcut

        def forward(self, x):
            return self.body(x) + (x if self.shortcut is None else self.shortcut(x))

    return Residual()


def notes(results):
    """What stands under the table: PyTorch's time in both formats, of which the faster counts."""
    return [f"{result['threads']} thread{'s' * (result['threads'] > 1)}: "
            + ", ".join(f"{name} {spread(values)} x" for name, values in result["ratios"].items())
            for result in results if "ratios" in result]


def cells(result):
    """The result as the cells of a table's row."""
    row = [result["net"], str(result["batch"]), str(result["threads"]),
           spread(result["microseconds"], ",.0f"), f"{result['images_per_second'][0]:,.0f}"]
    if "ratio" not in result:
        return [*row, "-", "-"]
    chosen = result["torch_format"]
    return [*row, f"{result['torch_microseconds'][chosen][0]:,.0f} ({chosen})",
            spread(result["ratio"])]
