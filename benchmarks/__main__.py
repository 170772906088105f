"""``python -m benchmarks training kernels``: Markdown tables, and JSON where asked for."""

import argparse
import json
import os
import platform
import sys

import numpy as np

import cycnn as cn

from . import kernels, nets, peers, training

SUITES = {"training": training, "kernels": kernels}


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Times cycnn and PyTorch in turn, in one process, next to the processor's "
                    "peak of fused multiply-adds. Numbers are medians; ratios come with their "
                    "quartiles.")
    parser.add_argument("suites", nargs="*", metavar="SUITE",
                        help=f"which of {', '.join(SUITES)} (default: all)")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2], metavar="N",
                        help="numbers of threads, the same for both sides (default: 1 2)")
    parser.add_argument("--nets", nargs="+", choices=list(nets.NETS), metavar="NET",
                        help=f"networks of the training suite (default: {' '.join(nets.NETS)})")
    parser.add_argument("--batches", nargs="+", type=int, metavar="N",
                        help="batch sizes of the training suite (default: 1 32 128)")
    parser.add_argument("--rounds", type=int, default=11, metavar="N",
                        help="turns that each side gets (default: 11)")
    parser.add_argument("--quick", action="store_true",
                        help="a few short turns, to see that everything works")
    parser.add_argument("--json", metavar="FILE", help="write all the results there too")
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
            "python": platform.python_version(), "versions": peers.versions(),
            "instruction_set": cn.kernels.isa}


def row(cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def summary(results):
    """A line on all the ratios of a suite."""
    ratios = [result["ratio"][0] for result in results if "ratio" in result]
    if not ratios:
        return "PyTorch is not installed: nothing to compare with."
    return (f"Faster than PyTorch, over {len(ratios)} cases: geometric mean "
            f"{np.exp(np.mean(np.log(ratios))):.2f}, lowest {min(ratios):.2f}.")


def peaks(results):
    """A line on the processor's peak."""
    measured = {}
    for result in results:
        measured.setdefault(result["threads"], []).append(result["peak_gflops"][0])
    return "Peak of fused multiply-adds: " + ", ".join(
        f"{np.median(values):.0f} GFLOP/s with {threads} thread{'s' * (threads > 1)}"
        for threads, values in measured.items()) + "."


def main(arguments=None):
    options = parse(arguments)
    rounds, seconds = (3, 0.005) if options.quick else (options.rounds, 0.05)
    found = environment()
    print(f"{found['processor']}, {found['cores']} cores, {found['instruction_set']}; "
          + ", ".join(f"{name} {version}" for name, version in found["versions"].items()))
    everything = []
    for name in options.suites or SUITES:
        suite = SUITES[name]
        print(f"\n### {name}\n")
        row(suite.COLUMNS)
        row(["---"] * len(suite.COLUMNS))
        results = []
        for result in suite.run(options.threads, rounds, seconds, names=options.nets,
                                batches=options.batches, quick=options.quick):
            results.append(result)
            row(suite.cells(result))
        print("", *suite.notes(results), summary(results), peaks(results), sep="\n")
        everything += results
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"environment": found, "results": everything}, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
