"""Callbacks that log, stop and draw."""

import csv
import json
import math
import struct
import sys
import time
import types

import numpy as np
import pytest

import cycnn as cn
from checkpoint_run import images_and_labels
from cycnn.callbacks import (BestCheckpoint, Callback, Checkpoint, CSVLog, EarlyStopping,
                             JSONLinesLog, LivePlot, TensorBoard, TimeLimit)


def fit(*callbacks, epochs=3, validation=True, resume=None, loss=None):
    data = images_and_labels()
    model = cn.Sequential(cn.Flatten(), cn.Linear(64, 3, rng=0))
    optimizer = cn.SGD(model.parameters(), 0.05)
    trainer = cn.Trainer(model, optimizer, cn.CrossEntropyLoss())
    return trainer, trainer.fit(
        data, epochs, 50, validation=data if validation else None, progress=False,
        schedule=cn.CosineAnnealingLR(optimizer, T_max=3 * epochs), callbacks=callbacks,
        resume=resume)


class Values(Callback):
    """Puts these numbers into the history, before the others look."""

    order = -1

    def __init__(self, name, *values):
        self.name, self.values = name, values

    def on_epoch_end(self, trainer, state):
        getattr(state.history, self.name)[-1] = self.values[state.epoch]


# --- stopping ----------------------------------------------------------------------------------

@pytest.mark.parametrize("name, values, options, epochs, best", [
    ("val_loss", [5, 4, 4, 4, 3], dict(patience=2), 4, 4),
    ("val_loss", [5, 4, 4, 3, 4, 4], dict(patience=2), 6, 3),
    ("val_loss", [5, 4.9, 4.8, 4.7, 1], dict(patience=3, min_delta=0.5), 4, 5),
    ("val_loss", [5, math.nan, math.nan, 1], dict(patience=2), 3, 5),
    ("val_loss", [math.inf, math.inf, 1], dict(patience=3), 6, 1),
    ("val_accuracy", [0.5, 0.6, 0.6, 0.9], dict(patience=1), 3, 0.6),
    ("val_accuracy", [0.5, 0.4, 0.3, 0.3], dict(patience=1, mode="min"), 4, 0.3),
    ("train_loss", [1, 2, 0], dict(patience=0), 2, 1),
    ("val_loss", [5, 4, 3, 2, 1, 0], dict(patience=1), 6, 0)])
def test_early_stopping(name, values, options, epochs, best):
    stopping = EarlyStopping(name, **options)
    values = [*values, *[values[-1]] * 6]
    _, history = fit(Values(name, *values), stopping, epochs=6)
    assert len(history) == epochs and stopping.best == best
    # A second fit begins anew.
    fit(Values(name, *values), stopping, epochs=1)
    assert stopping.wait == (0 if math.isfinite(values[0]) else 1)


def test_the_best_weights_come_back():
    kept = []

    class Keep(Callback):
        def on_epoch_end(self, trainer, state):
            kept.append(trainer.model[1].weight.data.copy())

    values = Values("val_loss", 3, 1, 2, 2, 2)
    trainer, history = fit(values, EarlyStopping(patience=2, restore_best_weights=True), Keep(),
                           epochs=5)
    assert len(history) == 4
    np.testing.assert_array_equal(trainer.model[1].weight.data, kept[1])
    trainer, _ = fit(values, EarlyStopping(patience=2), Keep(), epochs=5)
    np.testing.assert_array_equal(trainer.model[1].weight.data, kept[-1])


def test_best_weights_of_a_former_training_stay_away():
    stopping = EarlyStopping(restore_best_weights=True)
    trainer, _ = fit(stopping, epochs=2)
    assert not stopping.state_dict()["weights"]
    data = images_and_labels()
    trainer.fit(data, 1, 50, progress=False)
    before = trainer.model[1].weight.data.copy()
    for callbacks in ([stopping], [EarlyStopping(), stopping]):
        stopping._weights = {"1.weight": np.zeros((3, 64)), "1.bias": np.zeros(3)}
        with pytest.raises(ValueError, match="monitor must be one of"):
            trainer.fit(data, 1, 50, progress=False, callbacks=callbacks)
        np.testing.assert_array_equal(trainer.model[1].weight.data, before)


def test_a_time_limit():
    class Slow(Callback):
        def on_batch_end(self, trainer, state):
            time.sleep(0.02)

    began = time.perf_counter()
    _, history = fit(Slow(), TimeLimit(0.1), epochs=1000)
    assert time.perf_counter() - began < 5
    assert 0 < len(history) < 4
    _, history = fit(TimeLimit(1000), epochs=2)
    assert len(history) == 2


# --- logs --------------------------------------------------------------------------------------

def test_json_lines(tmp_path):
    path = tmp_path / "log.jsonl"
    _, history = fit(JSONLinesLog(path), Values("val_loss", 1.5, math.nan, math.inf))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert [line["train_loss"] for line in lines] == history.train_loss
    assert [line["val_loss"] for line in lines] == [1.5, None, None]
    assert [line["val_accuracy"] for line in lines] == history.val_accuracy
    assert lines[0]["lr"] == pytest.approx(0.05 * (1 + math.cos(math.pi / 3)) / 2)
    assert set(lines[0]) == {"epoch", "lr", "seconds", "train_loss", "train_accuracy", "val_loss",
                             "val_accuracy"}


def test_csv(tmp_path):
    path = tmp_path / "log.csv"
    _, history = fit(CSVLog(path), validation=False)
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["train_loss"]) for row in rows] == history.train_loss
    assert list(rows[0]) == ["epoch", "seconds", "train_accuracy", "train_loss", "lr"]


@pytest.mark.parametrize("log, head", [(JSONLinesLog, 0), (CSVLog, 1)])
def test_a_log_is_begun_anew_or_appended_to(log, head, tmp_path):
    path = tmp_path / "log"
    for _ in range(2):
        fit(log(path), epochs=2)
        assert len(path.read_text().splitlines()) == head + 2
    fit(log(path, append=True), epochs=3)
    assert len(path.read_text().splitlines()) == head + 5


@pytest.mark.parametrize("log", [JSONLinesLog, CSVLog])
def test_a_resumed_training_goes_on_with_its_log(log, tmp_path):
    pytest.importorskip("safetensors")

    class Stop(Callback):
        order = 50              # after the log, before the checkpoint

        def on_epoch_end(self, trainer, state):
            if state.epoch == 2:
                raise InterruptedError

    whole, path = tmp_path / "whole", tmp_path / "log"
    fit(log(whole), epochs=5)
    with pytest.raises(InterruptedError):
        fit(log(path), Stop(), Checkpoint(tmp_path / "last"), epochs=5)
    assert len(path.read_text().splitlines()) == len(whole.read_text().splitlines()) - 2
    with open(path, "a") as file:
        file.write("a part of a li")
    fit(log(path), Checkpoint(tmp_path / "last"), epochs=5, resume=True)

    def without_seconds(file):
        if log is CSVLog:
            return [row[:1] + row[2:] for row in csv.reader(file.read_text().splitlines())]
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        return [{name: value for name, value in line.items() if name != "seconds"}
                for line in lines]

    assert without_seconds(path) == without_seconds(whole)


@pytest.mark.parametrize("log", [JSONLinesLog, CSVLog])
def test_a_resumed_training_appends_no_epoch_twice(log, tmp_path):
    pytest.importorskip("safetensors")
    path = tmp_path / "log"

    class Stop(Callback):
        order = 50              # after the log, before the checkpoint

        def __init__(self, epoch):
            self.epoch = epoch

        def on_epoch_end(self, trainer, state):
            if state.epoch == self.epoch:
                raise InterruptedError

    def epochs():
        return [int("".join(filter(str.isdigit, line.split(",")[0])))
                for line in path.read_text().splitlines()[log is CSVLog:]]

    fit(log(path), epochs=3)                            # a former training: its lines stay
    before = path.read_text()
    for stop, done in ((1, [1, 2]), (1, [1, 2]), (3, [1, 2, 3, 4])):
        with pytest.raises(InterruptedError):
            fit(log(path, append=True), Stop(stop), Checkpoint(tmp_path / "last", every=1),
                epochs=5, resume=True)
        assert epochs() == [1, 2, 3, *done] and path.read_text().startswith(before)
    fit(log(path, append=True), epochs=2)               # one in between
    with open(path, "a") as file:
        file.write("a part of a li")
    fit(log(path, append=True), Checkpoint(tmp_path / "last"), epochs=5, resume=True)
    assert epochs() == [1, 2, 3, 1, 2, 3, 1, 2, 4, 5]


LONG = "x" * 300


@pytest.mark.parametrize("make, error, message", [
    (lambda: CSVLog(LONG), ValueError, "path must be a name that.*of 300 characters: .*long"),
    (lambda: Checkpoint("y" * 253), ValueError, "path must be a name that .*y'"),
    (lambda: CSVLog("a\0b"), ValueError, "path must be"),
    (lambda: JSONLinesLog(""), ValueError, "path must not be empty, got ''"),
    (lambda: Checkpoint(""), ValueError, "path must not be empty"),
    (lambda: BestCheckpoint("", "train_loss"), ValueError, "path must not be empty"),
    (lambda: Checkpoint(5), TypeError, "path must be a str or a path-like object, got 5"),
    (lambda: CSVLog(None), TypeError, "path must be a str .* got None"),
    (lambda: CSVLog(b"log"), TypeError, "path must be a str .* got b'log'"),
    (lambda: TensorBoard(""), ValueError, "log_dir must not be empty"),
    (lambda: TensorBoard(None), TypeError, "log_dir must be a str"),
    (lambda: TensorBoard("file"), NotADirectoryError, "log_dir must be a folder, file is a file"),
    (lambda: TensorBoard("file/runs"), NotADirectoryError, "log_dir must be.* got 'file/runs'"),
    (lambda: TensorBoard("new/" + LONG), ValueError, "log_dir must be a folder")])
def test_paths_that_cannot_be_written_to(make, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("as before")
    with pytest.raises(error, match=message):
        fit(Values("train_loss", *[0] * 3), make())
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_trying_a_path_leaves_nothing_behind(tmp_path):
    (tmp_path / "log").write_text("old")
    for callback in (JSONLinesLog(tmp_path / "new"), JSONLinesLog(tmp_path / "log"),
                     Checkpoint(tmp_path / "last"), TensorBoard(tmp_path / "runs" / "1")):
        with pytest.raises(ValueError, match="monitor"):
            fit(callback, EarlyStopping("no"))
    assert [file.name for file in tmp_path.iterdir()] == ["log"]
    assert (tmp_path / "log").read_text() == "old"


def test_a_log_that_cannot_be_written(tmp_path):
    for log in (JSONLinesLog, CSVLog):
        with pytest.raises(FileNotFoundError, match="there is no folder"):
            fit(log(tmp_path / "no" / "log"))
        with pytest.raises(IsADirectoryError, match="folder"):
            fit(log(tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="file"):
        fit(TensorBoard(tmp_path / "file"))


# --- TensorBoard -------------------------------------------------------------------------------

def crc32c(data):
    """Bit by bit, from its polynomial."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def fields(data):
    """[(number, value)] of a protocol buffer."""
    found, at = [], 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            value, at, shift = value | (byte & 127) << shift, at + 1, shift + 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        kind = key & 7
        if kind == 0:
            value = varint()
        else:
            size = {1: 8, 5: 4}.get(kind) or varint()
            value, at = data[at:at + size], at + size
            value = {1: lambda: struct.unpack("<d", value)[0], 2: lambda: value,
                     5: lambda: struct.unpack("<f", value)[0]}[kind]()
        found.append((key >> 3, value))
    return found


def events(path):
    data = path.read_bytes()
    while data:
        length, = struct.unpack("<Q", data[:8])
        for part, sum_at in ((data[:8], 8), (data[12:12 + length], 12 + length)):
            crc = crc32c(part)
            masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
            assert struct.unpack("<I", data[sum_at:sum_at + 4])[0] == masked
        yield dict(fields(data[12:12 + length]))
        data = data[16 + length:]


def test_the_checksum():
    assert crc32c(b"123456789") == 0xE3069283            # the value that RFC 3720's CRC is known by


def test_event_files(tmp_path):
    before = time.time()
    _, history = fit(TensorBoard(tmp_path / "runs" / "first"))
    path, = (tmp_path / "runs" / "first").iterdir()
    assert path.name.startswith("events.out.tfevents.")
    first, *epochs = events(path)
    assert first[3] == b"brain.Event:2" and before <= first[1] <= time.time()
    assert [event[2] for event in epochs] == [1, 2, 3]
    for i, event in enumerate(epochs):
        summary = [dict(fields(value)) for _, value in fields(event[5])]
        values = {value[1].decode(): value[2] for value in summary}
        assert set(values) == {"loss/train", "loss/val", "accuracy/train", "accuracy/val",
                               "seconds", "lr"}
        assert values["loss/val"] == np.float32(history.val_loss[i])
        assert values["accuracy/train"] == np.float32(history.train_accuracy[i])


def test_event_files_as_tensorboard_reads_them(tmp_path):
    module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator",
                                 reason="TensorBoard is not installed")
    _, history = fit(TensorBoard(tmp_path))
    found = module.EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in found.Scalars("loss/train")] == [1, 2, 3]
    np.testing.assert_allclose([event.value for event in found.Scalars("loss/train")],
                               history.train_loss, rtol=1e-6)


# --- a live plot -------------------------------------------------------------------------------

@pytest.fixture
def notebook(monkeypatch):
    """IPython's display as a notebook has it: what it shows is kept, picture after picture."""
    shown = []

    class Handle:
        def update(self, picture):
            shown[-1].append(picture)

    def display(picture, display_id):
        assert display_id is True
        shown.append([picture])
        return Handle()

    module = types.ModuleType("IPython.display")
    module.Image = lambda data, format: (format, data)
    module.display = display
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return shown


def test_a_live_plot(notebook):
    pytest.importorskip("matplotlib")
    plot = LivePlot()
    fit(plot)
    fit(plot, epochs=2)
    assert [len(pictures) for pictures in notebook] == [3, 2]
    assert all(format == "png" and data[:4] == b"\x89PNG" for format, data in sum(notebook, []))
    assert len({data for _, data in notebook[0]}) == 3


def test_a_live_plot_without_ipython(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    with pytest.raises(ImportError, match=r'pip install "cycnn\[notebook\]"'):
        fit(LivePlot())
