"""The stubs: they say of every public name what the code does, and with them mypy in strict mode
finds what is wrong in programs, and nothing else."""

import ast
import functools
import re
import shutil
from pathlib import Path

import pytest

import cycnn as cn
import typed_program
from helpers import TESTS, run_python

PACKAGE = Path(cn.__file__).parent
ROOT = Path(TESTS).parent
# The packages and modules that a user imports.
PUBLIC = ["__init__", "callbacks/__init__", "cli/__init__", "data/__init__", "data/augment",
          "data/draws", "data/views", "functional/__init__", "history", "init",
          "kernels/__init__", "layers/__init__", "layers/gradcheck", "losses", "metrics",
          "models/__init__", "normalization", "optim/__init__", "plot/__init__", "random",
          "schedules/__init__", "serialization", "threads", "trainer"]


@pytest.fixture(scope="module")
def stubs(tmp_path_factory):
    """A folder with the stubs as installed and nothing else: what a type checker needs."""
    pytest.importorskip("mypy", reason="mypy is not installed")
    folder = tmp_path_factory.mktemp("stubs")
    for file in [PACKAGE / "py.typed", *PACKAGE.rglob("*.pyi")]:
        target = folder / "cycnn" / file.relative_to(PACKAGE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    return folder


def test_every_public_module_has_a_stub():
    assert (PACKAGE / "py.typed").is_file()
    assert [name for name in PUBLIC if not (PACKAGE / f"{name}.pyi").is_file()] == []
    for file in PACKAGE.rglob("*.pyi"):
        if file.name != "_types.pyi":
            assert file.with_suffix(".py").is_file(), file


def test_the_stubs_say_what_the_code_does(stubs):
    """Names, arguments, their order, kinds and defaults: compared by mypy's stubtest."""
    done = run_python(
        "-m", "mypy.stubtest", "cycnn", "--concise", "--allowlist", TESTS / "stubtest.txt",
        "--mypy-config-file", ROOT / "pyproject.toml", timeout=300, MYPYPATH=str(stubs))
    found = [line for line in (done.stdout + done.stderr).splitlines()
             if not line.endswith("failed to find stubs")]     # of modules that are not public
    assert found == []


def test_mypy_finds_what_is_wrong_and_nothing_else(stubs, tmp_path, request):
    """In strict mode: the stubs, a program without errors, one with an error in every line that
    says so (a ``type: ignore`` that nothing is wrong behind is an error too), and what README.md,
    docs/layers.md and examples/ show, which have no annotations of their own."""
    shown = {path.name: path.read_text() for path in (ROOT / "examples").glob("*.py")}
    for path in ("README.md", "docs/layers.md"):
        blocks = re.findall(r"```python\n(.*?)```", (ROOT / path).read_text(), re.S)
        shown[f"shown_{Path(path).stem.lower()}.py"] = "\n".join(blocks)
    # What the text says in words: images and labels for a step by hand.
    shown["shown_readme.py"] = shown["shown_readme.py"].replace(
        "\nloss = ", "\nx, labels = test.images, test.labels\nloss = ")
    for name, text in shown.items():
        (tmp_path / name).write_text("# mypy: allow-any-generics, allow-incomplete-defs, "
                                     f"allow-untyped-calls, allow-untyped-defs\n{text}")
    done = run_python(
        "-m", "mypy", "--config-file", ROOT / "pyproject.toml", "--no-error-summary",
        # Between runs of the tests it remembers what NumPy's stubs say.
        "--cache-dir", request.config.cache.mkdir("mypy"), stubs / "cycnn", "typed_program.py",
        "typed_errors.py", *(tmp_path / name for name in shown), timeout=300, MYPYPATH=str(stubs))
    assert len(shown) > 10 and done.stdout + done.stderr == ""


def test_the_program_runs(tmp_path, capsys):
    for extra in ("matplotlib", "safetensors"):
        pytest.importorskip(extra, reason=f"{extra} is not installed")
    typed_program.main(tmp_path)
    assert "Linear" in capsys.readouterr().out and (tmp_path / "digits.png").is_file()


# --- attributes, which stubtest does not see: they come in __init__ ----------------------------

@functools.cache
def classes_of(module):
    """The classes of a stub by name, as ast has them."""
    tree = ast.parse((PACKAGE / f"{module}.pyi").read_text())
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def declared(module, name):
    """The attributes that a stub says a class has, by name, with those of its bases there."""
    classes = classes_of(module)
    node = classes[name]
    found = {part.target.id for part in node.body if isinstance(part, ast.AnnAssign)}
    for base in node.bases:
        if isinstance(base, ast.Subscript):
            base = base.value
        if isinstance(base, ast.Name) and base.id in classes:
            found |= declared(module, base.id)
    return found


def instances():
    train, _ = cn.data.load("digits")
    layers = [cn.Conv2d(1, 2, 3), cn.ConvTranspose2d(1, 2, 3), cn.Linear(2, 3), cn.BatchNorm1d(2),
              cn.BatchNorm2d(2), cn.GroupNorm(1, 2), cn.MaxPool2d(2), cn.AvgPool2d(2),
              cn.AdaptiveAvgPool2d(1), cn.GlobalAvgPool2d(), cn.Flatten(), cn.ZeroPad2d(1),
              cn.Upsample(2), cn.ReLU(), cn.Tanh(), cn.Sigmoid(), cn.SiLU(), cn.LeakyReLU(),
              cn.ELU(), cn.GELU(), cn.Softmax(), cn.Dropout(), cn.Dropout2d(), cn.Sequential(),
              cn.Residual(cn.ReLU()), cn.Concat(cn.ReLU()), cn.Module(),
              cn.Parameter([1.0])]
    model = cn.Sequential(cn.Linear(2, 3))
    optimizer = cn.SGD(model.parameters(), 0.1, momentum=0.9)
    trainer = cn.Trainer(model, optimizer, cn.MSELoss())
    schedules = [cn.ConstantLR(optimizer), cn.LinearLR(optimizer), cn.StepLR(optimizer, 2),
                 cn.MultiStepLR(optimizer, [2]), cn.ExponentialLR(optimizer, 0.5),
                 cn.CosineAnnealingLR(optimizer, 2), cn.OneCycleLR(optimizer, 0.1, 9),
                 cn.SequentialLR(optimizer, [cn.StepLR(optimizer, 2)], []),
                 cn.ReduceLROnPlateau(optimizer)]
    calls = cn.callbacks
    callbacks = [calls.Callback(), calls.Checkpoint("a"), calls.BestCheckpoint("a"),
                 calls.EarlyStopping(), calls.TimeLimit(1), calls.CSVLog("a"),
                 calls.JSONLinesLog("a"), calls.TensorBoard("a"), calls.LivePlot(),
                 calls.ProgressLines(), calls.FitState(1, None, None)]
    changes = cn.data.augment
    augmentations = [changes.RandomCrop(2), changes.CenterCrop(2), changes.RandomShift(1),
                     changes.RandomHorizontalFlip(), changes.RandomVerticalFlip(),
                     changes.RandomAffine(1), changes.RandomRotation(1), changes.RandomErasing(),
                     changes.Compose([])]
    return {"layers/__init__": layers,
            "optim/__init__": [optimizer, cn.Adam(model.parameters()),
                               cn.AdamW(model.parameters()), cn.RMSprop(model.parameters()),
                               cn.ExponentialMovingAverage(model)],
            "schedules/__init__": schedules, "callbacks/__init__": callbacks,
            "losses": [cn.CrossEntropyLoss(), cn.MSELoss(), cn.L1Loss(), cn.HuberLoss(),
                       cn.BCEWithLogitsLoss()],
            "data/augment": augmentations, "data/__init__": [train],
            "data/views": [cn.data.views.Shift(0, 0)], "trainer": [trainer],
            "history": [cn.History()], "normalization": [cn.Normalization([0], [1])],
            "threads": [cn.num_threads(1)], "functional/__init__": [
                cn.convolution_algorithm("auto")]}


def test_attributes_are_there():
    counted = 0
    for module, values in instances().items():
        for value in values:
            names = declared(module, type(value).__name__)
            missing = [name for name in names if not hasattr(value, name)]
            assert missing == [], f"{type(value).__name__} in {module}.pyi"
            counted += len(names)
    assert counted > 150
