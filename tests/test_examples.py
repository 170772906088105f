"""The accuracy programs of examples/, on a few digits in the place of MNIST."""

import gzip
import subprocess
import sys

import pytest

from cycnn import data
from cycnn.data.sources import TEST_FILES, TRAIN_FILES
from helpers import TESTS, environment_with
from test_sources import idx_bytes

pytest.importorskip("safetensors")
pytest.importorskip("matplotlib")
EXAMPLES = TESTS.parent / "examples"
pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(),
                                reason="the examples are in the checkout alone")
# Those that reach an accuracy. The seed programs have tests of their own.
PROGRAMS = sorted(path.name for path in EXAMPLES.glob("*.py")
                  if "__main__" in path.read_text() and not path.name.startswith("seed_"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The built-in digits, as large as MNIST's, in files named as MNIST's are."""
    folder = tmp_path_factory.mktemp("data")
    for part, files, size in zip(data.load("digits"), (TRAIN_FILES, TEST_FILES), (300, 60)):
        images = part.images[:size, 0].repeat(3, axis=1).repeat(3, axis=2)
        for name, array in zip(files, (images, part.labels[:size].astype("u1"))):
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx_bytes(array)))
    return folder


def run(program, *arguments, cwd):
    return subprocess.run(
        [sys.executable, str(EXAMPLES / program), *map(str, arguments), "--threads", "1"],
        cwd=cwd, text=True, capture_output=True, timeout=240, env=environment_with())


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_trains_and_ends_with_a_table(program, folder, tmp_path):
    done = run(program, "--data-dir", folder, "--epochs", 1, "--seeds", 0, 3, "--no-progress",
               "--output", "trained", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"trained.safetensors", "trained.png"}
    table = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert table[0] == "| seed | test accuracy | seconds of training |"
    assert [row.split("|")[1].strip() for row in table[2:]] == ["0", "3", "mean ± deviation"]
    assert "60 test images" in done.stdout


def test_choices_are_made_on_training_images(folder, tmp_path):
    done = run("mnist_seconds.py", "--data-dir", folder, "--epochs", 1, "--validate",
               "--no-progress", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "250 images of 1x24x24 to train on, 50 validation images" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"mnist_seconds.safetensors",
                                                          "mnist_seconds.png"}


def test_damaged_data_end_it_with_one_line(folder, tmp_path):
    damaged, work = tmp_path / "damaged", tmp_path / "work"
    damaged.mkdir()
    work.mkdir()
    for path in folder.iterdir():
        content = path.read_bytes()
        (damaged / path.name).write_bytes(content[:len(content) // 2])
    for program in PROGRAMS:
        done = run(program, "--data-dir", damaged, cwd=work)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1 and str(damaged) in done.stderr
    assert not list(work.iterdir())


def test_arguments_are_checked(tmp_path):
    for arguments in (("--epochs", "x"), ("--epochs", "0"), ("--threads", "0"), ("--seeds", "-1")):
        done = run("mnist_seconds.py", *arguments, cwd=tmp_path)
        assert done.returncode == 2 and arguments[0] in done.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())
