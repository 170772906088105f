"""Suite `memory`: how much a training run needs above what its libraries need to be there.

Each side trains in a process of its own (`memory_side.py`).
"""

import importlib.util
import json
import subprocess
import sys

from . import ROOT, nets, peers
from .timing import quartiles

BATCH = 128
COLUMNS = ("net", "batch", "threads", "cycnn MiB", "with libraries", "PyTorch MiB",
           "with libraries", "PyTorch's over cycnn's")
PEERS = {}                  # the ratio is one of bytes, not of times


def run(threads, rounds, seconds, names=None, quick=False, **_):
    """Yield one result, a dict, for net D or those asked for."""
    if importlib.util.find_spec("resource") is None:
        return
    steps, turns = (2, 1) if quick else (5, 3)
    for name in names or ["D"]:
        for number in threads[-1:]:
            formats = list(peers.FORMATS)[:1 if quick else None]
            yield measure(name, number, steps, turns, formats)


def measure(name, threads, steps, turns, formats):
    measured = {side: [trained(side, name, threads, steps) for _ in range(turns)]
                for side in ("cycnn", *formats)}
    grown = {side: [peak - before for before, peak in runs] for side, runs in measured.items()}
    whole = {side: [peak for _, peak in runs] for side, runs in measured.items()}
    result = {"suite": "memory", "net": name, "layers": nets.describe(name), "batch": BATCH,
              "threads": threads, "steps": steps,
              "mebibytes": quartiles(grown["cycnn"]),
              "mebibytes_with_libraries": quartiles(whole["cycnn"])}
    if formats:
        # The more frugal of the two memory formats counts.
        chosen = min(formats, key=lambda side: quartiles(grown[side])[0])
        result["torch_format"] = chosen
        result["torch_mebibytes"] = quartiles(grown[chosen])
        result["torch_mebibytes_with_libraries"] = quartiles(whole[chosen])
        result["ratio"] = [result["torch_mebibytes"][0] / result["mebibytes"][0]] * 3
    return result


def trained(side, name, threads, steps):
    """MiB before and at the peak of `steps` training steps of `side` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory_side", side, name, str(BATCH), str(threads),
         str(steps)], cwd=ROOT, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise RuntimeError(f"training net {name} with {side} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def notes(results):
    """What stands under the table."""
    if not results:
        return ["This system does not say how much memory a process has had: left out."]
    return [(f"Peak of resident memory in {results[0]['steps']} training steps, above that of the "
             "interpreter with its imports and one step of net A on one image; for PyTorch the "
             "memory format that needs less. \"With libraries\": the whole process.")]


def cells(result):
    """The result as the cells of a table's row."""
    row = [result["net"], str(result["batch"]), str(result["threads"]),
           f"{result['mebibytes'][0]:.0f}", f"{result['mebibytes_with_libraries'][0]:.0f}"]
    if "ratio" not in result:
        return [*row, "-", "-", "-"]
    return [*row, f"{result['torch_mebibytes'][0]:.0f} ({result['torch_format']})",
            f"{result['torch_mebibytes_with_libraries'][0]:.0f}", f"{result['ratio'][0]:.2f}"]
