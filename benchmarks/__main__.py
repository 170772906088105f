"""``python -m benchmarks training kernels``: Markdown tables, JSON and charts where asked for."""

import argparse
import json
import os
import platform
import subprocess
import sys

import numpy as np

import cycnn as cn

from . import (charts, errors, inference, kernels, memory, nets, peers, peers_onnx, pools, scaling,
               training)

# A suite is a module: `run` yields results, which `cells` turns into rows of a table with COLUMNS;
# `notes` go under it. PEERS: the key of a ratio in a result, and whose time it is a ratio of.
SUITES = {"training": training, "inference": inference, "kernels": kernels, "pools": pools,
          "memory": memory, "scaling": scaling, "errors": errors}


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
    parser.add_argument("--isa", choices=["baseline", "avx2", "avx512"],
                        help="hold cycnn to this instruction set; the others are not held")
    parser.add_argument("--json", metavar="FILE", help="write all the results there too")
    parser.add_argument("--charts", metavar="FOLDER",
                        help="draw training, kernels and scaling there, as PNG and SVG")
    options = parser.parse_args(arguments)
    for name in options.suites:
        if name not in SUITES:
            parser.error(f"unknown suite {name!r}; choose from {', '.join(SUITES)}")
    for option in ("threads", "batches", "rounds"):
        if min(np.atleast_1d(getattr(options, option) or 1)) < 1:
            parser.error(f"--{option} must be at least 1")
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


def summary(results, key, peer):
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


def main(arguments=None):
    options = parse(arguments)
    if options.isa and os.environ.get("CYCNN_ISA") != options.isa:
        # cycnn chose its kernels when it was imported: a new process has to choose again.
        return subprocess.run(
            [sys.executable, "-m", "benchmarks", *(sys.argv[1:] if arguments is None
                                                   else arguments)],
            env={**os.environ, "CYCNN_ISA": options.isa}).returncode
    if options.charts:
        try:
            charts.figure_class()
        except ImportError as error:    # said now, not after the last suite
            print(f"python -m benchmarks: {error}", file=sys.stderr)
            return 1
    rounds, seconds = (3, 0.005) if options.quick else (options.rounds, 0.05)
    found = environment()
    print(heading(found))
    everything = []
    for name in options.suites or SUITES:
        suite = SUITES[name]
        print(f"\n### {name}\n")
        row(suite.COLUMNS)
        row(["---"] * len(suite.COLUMNS))
        results = []
        for result in suite.run(options.threads, rounds, seconds, names=options.nets,
                                batches=options.batches, quick=options.quick,
                                dtype=options.dtype):
            results.append(result)
            row(suite.cells(result))
        print("", *suite.notes(results),
              *(summary(results, key, peer) for key, peer in suite.PEERS.items()),
              *peaks(results), *held(), sep="\n")
        everything += results
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"environment": found, "results": everything}, file, indent=1)
    if options.charts:
        written = charts.draw(everything, options.charts, heading(found))
        print("", *([f"wrote {path}" for path in written] or
                    ["no chart: it takes kernels, scaling, or training with PyTorch"]), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
