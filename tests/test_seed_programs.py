"""The programs of examples/ that stand beside the hand-written networks, on a few digits."""

import importlib
import os
import runpy
import signal
import subprocess
import sys
from argparse import Namespace

import numpy as np
import pytest

import cycnn as cn
from cycnn.data.sources import SOURCES, TEST_FILES, TRAIN_FILES
from helpers import TESTS, environment_with
from test_sources import write_idx_set

pytest.importorskip("matplotlib")
EXAMPLES = TESTS.parent / "examples"
pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(),
                                reason="the examples are in the checkout alone")
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in sorted(EXAMPLES.glob("seed_*.py"))}
HEADER = ["", "published", "measured", "images a second here", "of the loops", "factor"]


def digits(train=300, test=60, size=24):
    """The built-in digits as the contents of MNIST's four files, pixels repeated to `size`."""
    arrays = {}
    for part, names, number in zip(cn.data.load("digits"), (TRAIN_FILES, TEST_FILES),
                                   (train, test)):
        images = part.images[:number, 0]
        rows = np.arange(size) * images.shape[1] // size
        arrays |= dict(zip(names, (images[:, rows][:, :, rows], part.labels[:number].astype("u1"))))
    return arrays


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_idx_set(folder, digits())
    return folder


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """A function that runs a program as `python examples/NAME` would, in an empty folder: (status,
    output, errors, the files written)."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.syspath_prepend(EXAMPLES)

    def run(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, "--threads", "1", *map(str, arguments)])
        with cn.num_threads(1):
            try:
                status = runpy.run_path(str(EXAMPLES / name), run_name="__main__") and 0
            except SystemExit as leave:
                status = leave.code
        return status, *capsys.readouterr(), sorted(path.name for path in work.iterdir())
    return run


def module(name, monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module(name)


@pytest.mark.parametrize("name", TEXTS)
def test_it_ends_in_a_table_and_a_plot(name, folder, tmp_path):
    seeds = ["--seeds", "3", "0"] if "program.add_seeds" in TEXTS[name] else []
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), "--data-dir", str(folder), "--threads", "1",
         "--no-progress", "--output", "plot", *seeds],
        cwd=tmp_path, text=True, capture_output=True, timeout=240, env=environment_with())
    assert (done.returncode, done.stderr) == (0, "")
    assert "300" in done.stdout or "100 images" in done.stdout
    assert (tmp_path / "plot.png").is_file()
    for path in tmp_path.iterdir():
        assert path.name.startswith("plot") and path.read_bytes()[:4] == b"\x89PNG"
        assert f"wrote {path.name}" in done.stdout

    lines = [[cell.strip() for cell in line.split("|")[1:-1]]
             for line in done.stdout.splitlines() if line.startswith("|")]
    rows = lines[lines.index(HEADER) + 2:]
    assert all(len(row) == len(HEADER) for row in rows)
    assert any(row[1] for row in rows) and all(row[0] for row in rows)
    speeds = [[float(cell.replace(",", "")) for cell in row[3:]] for row in rows if row[5]]
    assert speeds and all(here > loops > 0 for here, loops, _ in speeds)
    assert all(factor == pytest.approx(here / loops, rel=0.02) for here, loops, factor in speeds)
    if seeds:
        assert any("±" in row[2] for row in rows)


@pytest.mark.parametrize("name", TEXTS)
def test_data_that_cannot_be_used_end_it_with_one_line(name, tmp_path, run):
    wanted = "fashion-mnist" if '"fashion-mnist"' in TEXTS[name] else "mnist"
    other, = SOURCES.keys() - {wanted}
    train_images, train_labels, test_images, test_labels = TRAIN_FILES + TEST_FILES
    good = digits(40, 20)
    classes = good[train_labels].copy()
    classes[7] = 10
    theirs = good[test_labels].copy()
    theirs[:10] = SOURCES[other].first_test_labels
    cases = {
        "a label too few": {train_labels: good[train_labels][:-1]},
        "an eleventh class": {train_labels: classes},
        "the other data set": {test_labels: theirs},
        "colour": {train_images: np.zeros((40, 3, 24, 24), "u1")},
        "no pixels": {train_images: np.zeros((40, 0, 24), "u1")},
        "two sizes": {test_images: digits(40, 20, 20)[test_images]},
        "no training images": {file: good[file][:0] for file in TRAIN_FILES},
        "no test images": {file: good[file][:0] for file in TEST_FILES},
    }
    if "smallest=" in TEXTS[name]:
        cases["too small"] = digits(40, 20, 3)
    for case, changed in cases.items():
        write_idx_set(tmp_path / case, good | changed, packed=False)

    damaged = tmp_path / "cut short"
    write_idx_set(damaged, good)
    path = damaged / f"{train_images}.gz"
    path.write_bytes(path.read_bytes()[:500])
    cut = tmp_path / "cut short, not packed"
    write_idx_set(cut, good, packed=False)
    (cut / test_images).write_bytes((cut / test_images).read_bytes()[:-1])
    incomplete = tmp_path / "a file is missing"
    write_idx_set(incomplete, good)
    (incomplete / f"{test_labels}.gz").unlink()
    for case in (*cases, damaged, cut, incomplete, "there is no such folder"):
        data = tmp_path / case
        status, output, errors, written = run(name, "--data-dir", data)
        assert (status, output, written) == (2, "", []), (case, errors)
        assert errors.startswith(f"{name}: ") and errors.count("\n") == 1, (case, errors)
        assert str(data) in errors, (case, errors)


@pytest.mark.parametrize("train, test, size", [(1, 1, 6), (7, 3, 9)])
@pytest.mark.parametrize("name", TEXTS)
def test_few_and_small_images_are_enough_or_too_few_to_begin(name, train, test, size, tmp_path,
                                                             run, monkeypatch):
    def fast(step, images, seconds=1.0):
        step(images[:1])
        return 0.5

    monkeypatch.setattr(module("loops", monkeypatch), "images_a_second", fast)
    write_idx_set(tmp_path / "data", digits(train, test, size))
    status, output, errors, written = run(name, "--data-dir", tmp_path / "data", "--no-progress")
    if status == 2:
        assert errors.count("\n") == 1 and (output, written) == ("", [])
    else:
        assert (status, errors) == (0, "") and f"{name.removesuffix('.py')}.png" in written
        assert "nan" not in output


@pytest.mark.parametrize("name", TEXTS)
def test_what_it_will_need_is_asked_for_before_it_trains(name, folder, run, monkeypatch):
    status, output, errors, written = run(name, "--data-dir", folder, "--output", "nowhere/plot")
    assert (status, output, written) == (2, "", [])
    assert errors.count("\n") == 1 and "--output nowhere/plot" in errors
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    status, output, errors, written = run(name, "--data-dir", folder)
    assert (status, output, written) == (2, "", [])
    assert errors.count("\n") == 1 and 'pip install "cycnn[plot]"' in errors


@pytest.mark.parametrize("name", TEXTS)
def test_ctrl_c_ends_it_and_leaves_no_file(name, folder, run, monkeypatch):
    step, calls = cn.SGD.step, []

    def interrupted(optimizer):
        step(optimizer)
        calls.append(1)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(cn.SGD, "step", interrupted)
    status, _, errors, written = run(name, "--data-dir", folder, "--no-progress")
    assert (status, errors, written, len(calls)) == (130, "", [], 2)


def test_wrong_arguments(run):
    for arguments in (("--threads", "0"), ("--seeds", "-1"), ("--seeds",), ("--unknown",)):
        status, output, errors, written = run("seed_003_one_at_a_time.py", *arguments)
        assert (status, output, written) == (2, "", []) and arguments[0] in errors


def test_a_penalty_that_is_none(folder, run):
    status, _, errors, written = run("seed_002_too_slow.py", "--data-dir", folder, "--penalty",
                                     "-1", "--no-progress")
    assert (status, written) == (2, []) and "-1" in errors and errors.count("\n") == 1


class TestProgress:
    def test_a_bar_changes_nothing_but_the_screen(self, monkeypatch, capsys):
        pytest.importorskip("tqdm")
        program = module("program", monkeypatch)
        assert list(program.progress(range(3), Namespace(progress=None), "epoch")) == [0, 1, 2]
        assert "epoch: 100%" in capsys.readouterr().err
        assert list(program.progress(range(3), Namespace(progress=False), "epoch")) == [0, 1, 2]
        assert capsys.readouterr().err == ""

    def test_without_tqdm_there_is_none(self, monkeypatch, capsys):
        monkeypatch.setitem(sys.modules, "tqdm.auto", None)
        program = module("program", monkeypatch)
        assert list(program.progress(range(3), Namespace(progress=None), "epoch")) == [0, 1, 2]
        assert capsys.readouterr().err == ""


def test_a_picture_that_cannot_be_drawn_leaves_what_was_there(tmp_path, monkeypatch):
    program = module("program", monkeypatch)
    (tmp_path / "plot.png").write_text("before")

    class Broken:
        def savefig(self, file, **options):
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        program.save_picture(Broken(), Namespace(output=str(tmp_path / "plot")))
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


def test_the_table_gives_the_spread_of_several_seeds_alone(monkeypatch):
    spread = module("comparison", monkeypatch).spread
    assert spread([0.5]) == "50.00%"
    assert spread(np.array([1, 3]), "{:.1f}") == "2.0 ± 1.4"


# --- seed 004 --------------------------------------------------------------------------------

@pytest.mark.parametrize("height, width", [(8, 8), (7, 9)])
def test_the_pooling_of_seed_004_spreads_the_maximum_times_the_gradient(height, width, rng,
                                                                       monkeypatch):
    pool = module("seed_004_full_batch", monkeypatch).SpreadMaximum(2)
    x = rng.standard_normal((3, 2, height, width))
    y = pool.forward(x)
    assert np.array_equal(y, cn.functional.max_pool2d(x, 2))
    dy = rng.standard_normal(y.shape)
    expected = np.zeros_like(x)
    for i in range(height // 2):
        for j in range(width // 2):
            window = x[:, :, 2 * i:2 * i + 2, 2 * j:2 * j + 2]
            expected[:, :, 2 * i:2 * i + 2, 2 * j:2 * j + 2] = (
                window.max(axis=(2, 3)) * dy[:, :, i, j])[:, :, None, None]
    assert np.array_equal(pool.backward(dy), expected)


@pytest.fixture(scope="module")
def mnist():
    if not os.environ.get("CYCNN_DATA"):
        pytest.skip("CYCNN_DATA does not say where MNIST is")
    try:
        return cn.data.load("mnist", download=False)[0]
    except FileNotFoundError:
        pytest.skip("MNIST is not there")


def traced(mnist, pool, seed, images=100, steps=6):
    step = seed.trainer(mnist.images[:images] / 255 - 0.5, mnist.labels[:images], pool)
    return [seed.show(step()) for _ in range(steps)]


def test_seed_004_with_the_gradient_that_goes_to_the_maximum(mnist, monkeypatch):
    seed = module("seed_004_full_batch", monkeypatch)
    assert traced(mnist, cn.MaxPool2d(2), seed) == [
        "17.00 %, loss 2.30219", "41.00 %, loss 2.10375", "59.00 %, loss 1.95350",
        "74.00 %, loss 1.81235", "80.00 %, loss 1.67674", "83.00 %, loss 1.54765"]
    assert traced(mnist, cn.MaxPool2d(2), seed, 20, 1) == ["15.00 %, loss 2.31577"]


def test_seed_004_with_its_own_gradient(mnist, monkeypatch):
    seed = module("seed_004_full_batch", monkeypatch)
    assert traced(mnist, seed.SpreadMaximum(2), seed) == [
        "17.00 %, loss 2.30219", "41.00 %, loss 2.10387", "58.00 %, loss 1.94948",
        "75.00 %, loss 1.79744", "80.00 %, loss 1.64556", "83.00 %, loss 1.48968"]
