"""The benchmarks run, and say what they should; how fast anything is, is not tested."""

import importlib.util
import json
import math
import subprocess
import sys

import pytest

import cycnn as cn
from cycnn import kernels
from cycnn.kernels import cpu
from helpers import TESTS, environment_with

ROOT = TESTS.parent
pytestmark = pytest.mark.skipif(not (ROOT / "benchmarks").is_dir(),
                                reason="the benchmarks are in the checkout alone")
PASSES = {"forward", "input gradient", "weight gradient"}
HERE = [kernels.isa]


def installed(module):
    return importlib.util.find_spec(module) is not None


def run(*arguments, **variables):
    return subprocess.run([sys.executable, "-m", "benchmarks", *arguments], cwd=ROOT, text=True,
                          capture_output=True, timeout=240, env=environment_with(**variables))


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """What all suites print, their results by suite, and the folder that these are written to."""
    folder = tmp_path_factory.mktemp("benchmarks") / "made" / "for it"
    wheels = [folder.parents[1] / f"{name}-9.whl" for name in ("cycnn", "other")]
    for wheel in wheels:
        wheel.write_bytes(bytes(1_234_567))
    done = run("--quick", "--threads", "1", "--nets", "A", "--batches", "1", "2",
               "--isa", *HERE, "--wheel", *map(str, wheels), "--output", str(folder),
               MPLBACKEND="Agg")
    assert done.returncode == 0, done.stderr
    suites = {}
    for result in json.loads((folder / "results.json").read_text())["results"]:
        suites.setdefault(result["suite"], []).append(result)
    return done.stdout, suites, folder


def test_all_suites_run(quick):
    _, suites, _ = quick
    assert list(suites) == ["training", "inference", "kernels", "pools", "optimizers", "memory",
                            "scaling", "errors", "resnet", "accuracy", "size"]
    for name in ("training", "inference"):
        assert [(result["net"], result["batch"]) for result in suites[name]] == [("A", 1), ("A", 2)]
    assert {result["pass"] for result in suites["kernels"]} == PASSES
    assert {result["pass"] for result in suites["pools"]} == {"forward", "backward"}
    assert {result["variable"] for result in suites["scaling"]} == {
        "images", "pixels a side", "input channels"}


def test_numbers_come_with_quartiles_and_peak(quick):
    _, suites, _ = quick
    for name in ("training", "inference", "kernels"):
        for result in suites[name]:
            for number in (*result["of_peak"], *result["peak_gflops"]):
                assert 0 < number < math.inf
    for result in (result for results in suites.values() for result in results):
        for value in result.values():
            if isinstance(value, list) and len(value) == 3 and isinstance(value[0], float):
                middle, low, high = value
                assert low <= middle <= high


def test_peers_where_they_are_installed(quick):
    printed, suites, _ = quick
    torch, onnx = installed("torch"), installed("onnxruntime") and installed("onnx")
    for name in ("training", "inference", "kernels", "pools", "optimizers", "memory", "resnet",
                 "accuracy"):
        for result in suites[name]:
            assert ("ratio" in result) == torch
    for result in suites["optimizers"]:         # PyTorch has no fused RMSprop
        assert ("fused_ratio" in result) == (torch and result["optimizer"] != "RMSprop")
    for result in suites["inference"]:
        assert ("onnx_ratio" in result) == onnx
    assert ("PyTorch is not installed" in printed) == (not torch)
    assert ("ONNX Runtime is left out" in printed) == (not onnx)


def test_memory_of_the_run_is_that_of_one_process(quick):
    _, suites, _ = quick
    (result,) = suites["memory"]
    # Net A's activations at batch 128 alone are 2.7 MiB; this process, with or without PyTorch,
    # must not count.
    assert 1 < result["mebibytes"][0] < 60
    assert result["mebibytes"][0] < result["mebibytes_with_libraries"][0] < 200


def test_errors_are_those_of_float32(quick):
    _, suites, _ = quick
    assert {result["pass"] for result in suites["errors"]} == PASSES
    for result in suites["errors"]:
        bound = {"direct": 2e-6, "winograd": 2e-5}[result["algorithm"]]
        assert 0 < result["rms_of_largest"] < result["largest_of_largest"] < bound


def test_size_and_import(quick):
    printed, suites, _ = quick
    libraries = {result["library"]: result for result in suites["size"]}
    assert list(libraries) == [name for name in ("cycnn", "torch", "onnxruntime")
                               if installed(name)]
    ours = libraries["cycnn"]
    assert ours["version"] == cn.__version__
    assert ours["foreign"] == [] and ours["modules"] > 40
    assert ours["wheel_megabytes"] == {"cycnn-9.whl": 1.234567}
    # Not that of an empty folder, and not that of the source files.
    assert 1 < ours["installed_megabytes"] < 15
    for result in libraries.values():
        assert result["import_milliseconds"][0] > 0 and result["numpy_milliseconds"][0] > 0
        if result is not ours:
            assert result["installed_megabytes"] > ours["installed_megabytes"]
    assert ("torch is not installed" in printed) == (not installed("torch"))


def test_both_sides_learn(quick):
    _, suites, _ = quick
    (result,) = suites["accuracy"]
    # One epoch over 1,437 digits of ten kinds: chance is 0.1.
    for name in ("accuracy", "torch_accuracy"):
        if name in result:
            assert 0.2 < result[name] <= 1


def test_what_is_written(quick):
    printed, _, folder = quick
    charts = ["kernels", "scaling", *["training"] * installed("torch")]
    if not installed("matplotlib"):
        charts = []
        assert 'pip install "cycnn[bench]"' in printed
    names = {"results.json", *(f"{name}.{suffix}" for name in charts for suffix in ("png", "svg"))}
    assert {path.name for path in folder.iterdir()} == names
    for path in folder.iterdir():
        assert path.stat().st_size > 1000
        assert f"wrote {path}" in printed


@pytest.mark.skipif(kernels.isa not in ("avx2", "avx512"), reason="nothing to choose from")
def test_held_to_instruction_sets(tmp_path):
    sets = cpu.supported_levels(cpu.feature_words())[-2:]
    done = run("training", "--quick", "--threads", "1", "--nets", "A", "--batches", "1",
               "--isa", *sets, "--output", str(tmp_path), CYCNN_ISA="")
    assert done.returncode == 0, done.stderr
    assert f"held to {sets[0]}" in done.stdout
    results = json.loads((tmp_path / "results.json").read_text())["results"]
    assert {result["instruction_set"] for result in results} == set(sets)
    # The table for the README: a column for each.
    assert f"batch 1, {sets[0]} |" in done.stdout and f"batch 1, {sets[1]} |" in done.stdout


def test_an_unknown_suite():
    done = run("nonsense")
    assert done.returncode == 2
    assert ("unknown suite 'nonsense'; choose from training, inference, kernels, pools, "
            "optimizers, memory, scaling, errors, resnet, accuracy, size") in done.stderr


def test_a_wheel_that_is_not_there():
    done = run("size", "--wheel", "cycnn-0-none.whl")
    assert done.returncode == 2
    assert "--wheel must be a file, got 'cycnn-0-none.whl'" in done.stderr
