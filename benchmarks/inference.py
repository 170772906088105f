"""Suite `inference`: five small networks in evaluation mode, against PyTorch and ONNX Runtime."""

import numpy as np

from . import nets, peers, peers_onnx
from .timing import Peak, best, interleave, quartiles, spread

COLUMNS = ("net", "batch", "threads", "us/batch", "images/s", "of peak", "PyTorch us",
           "faster than PyTorch", "ONNX Runtime us", "faster than ONNX Runtime")
PEERS = {"ratio": "PyTorch", "onnx_ratio": "ONNX Runtime"}


def run(threads, rounds, seconds, names=None, batches=None, quick=False, **_):
    """Yield one result, a dict, for each network, batch size and number of threads."""
    cases = nets.cases(names, batches, quick)
    for (name, batch), number in peers.with_threads(cases, threads):
        yield measure(name, batch, number, rounds, seconds)


def measure(name, batch, threads, rounds, seconds):
    x = np.random.default_rng(0).standard_normal((batch, *nets.SHAPE), np.float32)
    model = nets.build(name)
    model.eval()
    state = {key: np.asarray(value) for key, value in model.state_dict().items()}
    sides = {"cycnn": lambda: model.forward(x)}
    for format_, memory_format in peers.FORMATS.items():
        twin = nets.build(name, peers.torch.nn)
        twin.load_state_dict({key: peers.torch.tensor(value) for key, value in state.items()})
        sides[format_] = peers.inference(twin, x, memory_format)
    if peers_onnx.missing is None:
        sides["onnx"] = peers_onnx.inference(name, state, x, threads)
    check_agreement(name, batch, sides)

    peak = Peak(threads)
    times = interleave({**sides, "peak": peak}, rounds, seconds)
    gflops = nets.inference_operations(name, batch) / times["cycnn"] / 1e9
    result = {"suite": "inference", "net": name, "layers": nets.describe(name), "batch": batch,
              "threads": threads,
              "microseconds": quartiles(1e6 * times["cycnn"]),
              "images_per_second": quartiles(batch / times["cycnn"]),
              "of_peak": quartiles(gflops / peak.gflops(times["peak"])),
              "peak_gflops": quartiles(peak.gflops(times["peak"]))}
    if peers.FORMATS:
        chosen = best(times, peers.FORMATS)
        result["torch_format"] = chosen
        result["torch_microseconds"] = quartiles(1e6 * times[chosen])
        result["ratio"] = quartiles(times[chosen] / times["cycnn"])
    if "onnx" in times:
        result["onnx_microseconds"] = quartiles(1e6 * times["onnx"])
        result["onnx_ratio"] = quartiles(times["onnx"] / times["cycnn"])
    return result


def check_agreement(name, batch, sides):
    """Raise unless all sides give the same logits: otherwise they do not do the same work."""
    logits = {side: np.asarray(function()) for side, function in sides.items()}
    bound = 1e-4 * np.abs(logits["cycnn"]).max()
    for side, values in logits.items():
        if not np.allclose(values, logits["cycnn"], rtol=0, atol=bound):
            raise RuntimeError(f"net {name}, batch {batch}: the outputs of cycnn and {side} differ "
                               f"by up to {np.abs(values - logits['cycnn']).max():.2g}")


def notes(results):
    """What stands under the table: which network is which, and who is missing."""
    lines = [f"{name}: {layers}" for name, layers in
             sorted({(result["net"], result["layers"]) for result in results})]
    return lines if peers_onnx.missing is None else [
        *lines, f'ONNX Runtime is left out ({peers_onnx.missing}): run pip install ".[bench]"']


def cells(result):
    """The result as the cells of a table's row."""
    row = [result["net"], str(result["batch"]), str(result["threads"]),
           spread(result["microseconds"], ",.0f"), f"{result['images_per_second'][0]:,.0f}",
           f"{result['of_peak'][0]:.2f}"]
    row += [f"{result['torch_microseconds'][0]:,.0f} ({result['torch_format']})",
            spread(result["ratio"])] if "ratio" in result else ["-", "-"]
    return row + ([f"{result['onnx_microseconds'][0]:,.0f}", spread(result["onnx_ratio"])]
                  if "onnx_ratio" in result else ["-", "-"])
