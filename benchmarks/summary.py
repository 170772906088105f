"""What the README shows of a run: the training steps and how each suite compares, in few lines."""

import numpy as np


def lines(results):
    """The lines to print, for as many threads as were measured at the most."""
    training = [result for result in results if result["suite"] == "training"]
    return [*(["### in short", ""] if results else []), *(_steps(training) if training else []),
            *_comparisons(results)]


def _steps(results):
    """A row for each network; a column for each instruction set and batch size."""
    most = max(result["threads"] for result in results)
    results = [result for result in results if result["threads"] == most]
    columns = list(dict.fromkeys((result["instruction_set"], result["batch"])
                                 for result in results))
    yield "| network | " + " | ".join(f"batch {batch}, {isa}" for isa, batch in columns) + " |"
    yield "| --- |" + " --- |" * len(columns)
    for name in dict.fromkeys(result["net"] for result in results):
        row = {(result["instruction_set"], result["batch"]): _step(result) for result in results
               if result["net"] == name}
        yield f"| {name} | " + " | ".join(row.get(column, "-") for column in columns) + " |"
    yield ""
    yield f"A training step with {most} threads, and how many times as fast as PyTorch's."
    yield ""


def _step(result):
    time = f"{result['microseconds'][0]:,.0f} us"
    return f"{time}, {result['ratio'][0]:.2f} x" if "ratio" in result else time


def _comparisons(results):
    """A line for each suite, instruction set and peer."""
    ratios = {}
    for result in results:
        for key, peer in (("ratio", "PyTorch"), ("fused_ratio", "PyTorch's fused=True"),
                          ("onnx_ratio", "ONNX Runtime")):
            if key in result:
                ratios.setdefault((result["suite"], result["instruction_set"], peer),
                                  []).append(result[key][0])
    for (suite, isa, peer), values in ratios.items():
        yield (f"- {suite}, {isa}, against {peer}: geometric mean "
               f"{np.exp(np.mean(np.log(values))):.2f}, {min(values):.2f} to {max(values):.2f}, "
               f"over {len(values)} cases")
