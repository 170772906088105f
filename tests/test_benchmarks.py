"""The benchmarks run, and say what they should; how fast anything is, is not tested."""

import json
import math
import subprocess
import sys

import pytest

from helpers import TESTS, environment_with

ROOT = TESTS.parent
pytestmark = pytest.mark.skipif(not (ROOT / "benchmarks").is_dir(),
                                reason="the benchmarks are in the checkout alone")


def run(*arguments):
    return subprocess.run([sys.executable, "-m", "benchmarks", *arguments], cwd=ROOT, text=True,
                          capture_output=True, timeout=120, env=environment_with())


def test_both_suites(tmp_path):
    file = tmp_path / "results.json"
    done = run("--quick", "--threads", "1", "--nets", "A", "--batches", "1", "2",
               "--json", str(file))
    assert done.returncode == 0, done.stderr
    results = json.loads(file.read_text())["results"]
    training = [result for result in results if result["suite"] == "training"]
    assert [(result["net"], result["batch"]) for result in training] == [("A", 1), ("A", 2)]
    kernels = [result for result in results if result["suite"] == "kernels"]
    assert {result["pass"] for result in kernels} == {"forward", "input gradient",
                                                      "weight gradient"}
    for result in results:
        for number in (*result["of_peak"], *result["peak_gflops"], *result.get("ratio", ())):
            assert 0 < number < math.inf
        assert ("ratio" in result) == ("PyTorch is not installed" not in done.stdout)
    assert done.stdout.count("\n| A | ") == 2


def test_an_unknown_suite():
    done = run("nonsense")
    assert done.returncode == 2
    assert "unknown suite 'nonsense'; choose from training, kernels" in done.stderr
