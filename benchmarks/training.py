"""Suite `training`: whole steps (forward, loss, backward, SGD) of five small networks."""

import copy

import numpy as np

import cycnn as cn

from . import nets, peers
from .timing import Peak, best, interleave, quartiles, spread

LR = 1e-3           # small: the numbers stay ordinary however often the same batch is repeated

COLUMNS = ("net", "batch", "threads", "us/step", "images/s", "of peak", "PyTorch us/step",
           "faster than PyTorch")
PEERS = {"ratio": "PyTorch"}


def run(threads, rounds, seconds, names=None, batches=None, quick=False, **_):
    """Yield one result, a dict, for each network, batch size and number of threads."""
    cases = nets.cases(names, batches, quick)
    for (name, batch), number in peers.with_threads(cases, threads):
        yield measure(name, batch, number, rounds, seconds)


def our_step(model, x, labels):
    loss, optimizer = cn.CrossEntropyLoss(), cn.SGD(model.parameters(), lr=LR)

    def step():
        value = loss.forward(model.forward(x), labels)
        model.backward(loss.backward(), input_gradient=False)
        optimizer.step()
        return value

    return step


def measure(name, batch, threads, rounds, seconds):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, *nets.SHAPE), np.float32)
    labels = rng.integers(0, nets.CLASSES, batch)
    model = nets.build(name)
    sides = {"cycnn": our_step(model, x, labels)}
    if peers.torch is not None:
        # Both start from the same weights; ours are copied into theirs.
        twin = nets.build(name, peers.torch.nn)
        twin.load_state_dict({key: peers.torch.tensor(np.asarray(value))
                              for key, value in model.state_dict().items()})
        for format_, memory_format in peers.FORMATS.items():
            sides[format_] = peers.training_step(copy.deepcopy(twin), x, labels, LR, memory_format)
    check_agreement(name, batch, sides)

    peak = Peak(threads)
    times = interleave({**sides, "peak": peak}, rounds, seconds)
    operations = nets.training_operations(name, batch)
    gflops = operations / times["cycnn"] / 1e9
    result = {"suite": "training", "net": name, "layers": nets.describe(name), "batch": batch,
              "threads": threads,
              "microseconds": quartiles(1e6 * times["cycnn"]),
              "images_per_second": quartiles(batch / times["cycnn"]),
              "of_peak": quartiles(gflops / peak.gflops(times["peak"])),
              "peak_gflops": quartiles(peak.gflops(times["peak"]))}
    if peers.torch is not None:
        chosen = best(times, peers.FORMATS)
        result["torch_format"] = chosen
        result["torch_microseconds"] = quartiles(1e6 * times[chosen])
        result["ratio"] = quartiles(times[chosen] / times["cycnn"])
    return result


def check_agreement(name, batch, sides, steps=4):
    """Raise unless all sides compute the same losses: otherwise they do not do the same work."""
    losses = {side: [step().item() if side in peers.FORMATS else step() for _ in range(steps)]
              for side, step in sides.items()}
    for side, values in losses.items():
        if not np.allclose(values, losses["cycnn"], rtol=1e-4, atol=1e-5):
            raise RuntimeError(f"net {name}, batch {batch}: the losses of the first {steps} steps "
                               f"differ, cycnn {losses['cycnn']}, {side} {values}")


def notes(results):
    """What stands under the table: which network is which."""
    return [f"{name}: {layers}" for name, layers in
            sorted({(result["net"], result["layers"]) for result in results})]


def cells(result):
    """The result as the cells of a table's row."""
    row = [result["net"], str(result["batch"]), str(result["threads"]),
           spread(result["microseconds"], ",.0f"), f"{result['images_per_second'][0]:,.0f}",
           f"{result['of_peak'][0]:.2f}"]
    if "ratio" not in result:
        return [*row, "-", "-"]
    return [*row, f"{result['torch_microseconds'][0]:,.0f} ({result['torch_format']})",
            spread(result["ratio"])]
