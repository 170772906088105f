"""``python -m benchmarks``: Markdown tables; in a folder, the results as JSON, and charts."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import cycnn as cn

from . import (accuracy, charts, errors, inference, kernels, memory, nets, optimizers, peers,
               peers_onnx, pools, resnet, scaling, size, summary, training)

# A suite is a module: `run` yields results, which `cells` turns into rows of a table with COLUMNS;
# `notes` go under it. PEERS: the key of a ratio in a result, and whose time it is a ratio of.
SUITES = {"training": training, "inference": inference, "kernels": kernels, "pools": pools,
          "optimizers": optimizers, "memory": memory, "scaling": scaling, "errors": errors,
          "resnet": resnet, "accuracy": accuracy, "size": size}

RESULTS = "results.json"


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Times cycnn and PyTorch in turn, in one process, next to the processor's "
                    "peak of fused multiply-adds. Numbers are medians, with their quartiles.")
    parser.add_argument("suites", nargs="*", metavar="SUITE",
                        help=f"which of {', '.join(SUITES)} (default: all)")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2], metavar="N",
                        help="numbers of threads, the same for both sides (default: 1 2)")
    parser.add_argument("--nets", nargs="+", choices=list(nets.NETS), metavar="NET",
                        help=f"networks to take (default: {' '.join(nets.NETS)}; memory: D)")
    parser.add_argument("--batches", nargs="+", type=int, metavar="N",
                        help="batch sizes of training and inference (default: 1 32 128)")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32",
                        help="type of the numbers in kernels (default: float32)")
    parser.add_argument("--rounds", type=int, default=11, metavar="N",
                        help="turns that each side gets (default: 11)")
    parser.add_argument("--quick", action="store_true",
                        help="a few short turns, to see that everything works")
    parser.add_argument("--isa", nargs="+", choices=["baseline", "avx2", "avx512"],
                        help="instruction sets to hold cycnn to, one after the other; the others "
                             "are not held (default: the best, and avx2)")
    parser.add_argument("--wheel", nargs="+", metavar="FILE",
                        help="wheels whose size the suite size shows (default: those in dist and "
                             "wheelhouse)")
    parser.add_argument("--output", metavar="FOLDER", default="benchmark-results",
                        help=f"where {RESULTS} and the charts go (default: %(default)s)")
    options = parser.parse_args(arguments)
    for name in options.suites:
        if name not in SUITES:
            parser.error(f"unknown suite {name!r}; choose from {', '.join(SUITES)}")
    for option in ("threads", "batches", "rounds"):
        if min(np.atleast_1d(getattr(options, option) or 1)) < 1:
            parser.error(f"--{option} must be at least 1")
    for file in options.wheel or ():
        if not Path(file).is_file():
            parser.error(f"--wheel must be a file, got {file!r}")
    return options


def processor():
    """The processor's name."""
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.partition(":")[2].strip() for line in file
                        if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def environment():
    """What the numbers depend on."""
    return {"processor": processor(), "cores": os.cpu_count(), "system": platform.platform(),
            "python": platform.python_version(),
            "versions": peers.versions() | peers_onnx.versions(),
            "instruction_set": cn.kernels.isa}


def heading(found):
    """The environment in a line."""
    return (f"{found['processor']}, {found['cores']} cores, {found['instruction_set']}; "
            + ", ".join(f"{name} {version}" for name, version in found["versions"].items()))


def row(cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def comparison(results, key, peer):
    """A line on all the ratios of a suite to one other library."""
    ratios = [result[key][0] for result in results if key in result]
    if not ratios:
        return f"{peer} is not installed: nothing to compare with."
    return (f"Faster than {peer}, over {len(ratios)} cases: geometric mean "
            f"{np.exp(np.mean(np.log(ratios))):.2f}, lowest {min(ratios):.2f}.")


def peaks(results):
    """A line on the processor's peak, of the suites that measure it."""
    measured = {}
    for result in results:
        if "peak_gflops" in result:
            measured.setdefault(result["threads"], []).append(result["peak_gflops"])
    if not measured:
        return []
    return ["Peak of fused multiply-adds: " + ", ".join(
        "{:.0f} ({:.0f} to {:.0f}) GFLOP/s with {} thread{}".format(
            *np.median(values, axis=0), threads, "s" * (threads > 1))
        for threads, values in measured.items()) + "."]


def held():
    """A line on the instruction set, where it is not the processor's best that was chosen."""
    if not os.environ.get("CYCNN_ISA"):
        return []
    return [f"cycnn and the loop that measures the peak are held to {cn.kernels.isa}, others not."]


def chosen(options):
    """The instruction sets to take, first the one that this process has loaded, if it is taken."""
    if options.isa:
        return sorted(options.isa, key=lambda isa: isa != cn.kernels.isa)
    return [cn.kernels.isa, *["avx2"] * (cn.kernels.isa == "avx512")]


def run_suites(options):
    """Print a table for each suite; returns all the results."""
    rounds, seconds = (3, 0.005) if options.quick else (options.rounds, 0.05)
    print(heading(environment()))
    everything = []
    for name in options.suites or SUITES:
        suite = SUITES[name]
        print(f"\n### {name}\n")
        row(suite.COLUMNS)
        row(["---"] * len(suite.COLUMNS))
        results = []
        for result in suite.run(options.threads, rounds, seconds, names=options.nets,
                                batches=options.batches, quick=options.quick,
                                dtype=options.dtype, wheels=options.wheel):
            results.append({**result, "instruction_set": cn.kernels.isa})
            row(suite.cells(result))
        print("", *suite.notes(results),
              *(comparison(results, key, peer) for key, peer in suite.PEERS.items()),
              *peaks(results), *held(), sep="\n")
        everything += results
    return everything


def run_held(arguments, isa):
    """The same in a new process, which chooses its kernels anew when it imports cycnn."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, "-m", "benchmarks", *arguments, "--isa", isa,
                               "--output", folder], env={**os.environ, "CYCNN_ISA": isa})
        if done.returncode:
            sys.exit(done.returncode)
        return json.loads(Path(folder, RESULTS).read_text())["results"]


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse(arguments)
    everything = []
    for isa in chosen(options):
        print("", flush=True)
        everything += (run_suites(options) if isa == cn.kernels.isa
                       else run_held(arguments, isa))
    print("", *summary.lines(everything), sep="\n")

    folder = Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    found = {**environment(), "instruction_set": everything[0]["instruction_set"]}
    (folder / RESULTS).write_text(json.dumps({"environment": found, "results": everything},
                                             indent=1) + "\n")
    written = [folder / RESULTS]
    try:
        written += charts.draw(everything, folder, heading(found))
    except ImportError as error:
        print(f"No charts: {error}")
    print("", *[f"wrote {path}" for path in written], sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
