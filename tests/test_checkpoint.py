"""Checkpoints: killed anywhere and resumed, a training gives the bits of one that ran through."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import cycnn as cn
from checkpoint_run import images_and_labels, training
from cycnn.callbacks import BestCheckpoint, Callback, Checkpoint, EarlyStopping, TimeLimit
from helpers import TESTS, environment_with

safetensors = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")

WORDS = [[], ["augment"], ["stream"], ["stream", "augment"], ["mapped", "augment"],
         ["balanced", "augment"], ["accumulate", "augment"]]
kinds = pytest.mark.parametrize("words", WORDS, ids=lambda words: " ".join(words) or "plain")


class Killed(Exception):
    pass


class Kill(Callback):
    """Ends a training by an error, the `count`-th time that a hook is called, before or after the
    checkpoint's own."""

    def __init__(self, hook, count, order):
        self.count, self.order = count, order
        setattr(self, hook, self.strike)

    def strike(self, trainer, state):
        self.count -= 1
        if self.count == 0:
            raise Killed


def outcome(trainer, history):
    numbers = history.to_dict()
    del numbers["seconds"]
    weights = {name: array.tobytes() for name, array in trainer.model.state_dict().items()}
    optimizer = trainer.optimizer.state_dict()
    velocity = [kept["momentum_buffer"].tobytes() for kept in optimizer["state"].values()]
    return weights, velocity, optimizer["param_groups"], numbers


@kinds
def test_stopped_anywhere_and_resumed(words, tmp_path):
    whole = outcome(*training(tmp_path / "whole", words))
    steps = 4 if "accumulate" in words else 15
    stops = [("on_batch_end", count, order) for count in (1, 2, steps, steps + 1, 3 * steps - 2)
             for order in (-1, 200)]
    stops += [("on_epoch_end", count, order) for count in (1, 3, 4) for order in (-1, 200)]
    for hook, count, order in stops:
        path = tmp_path / f"{hook}{count}{order}"
        with pytest.raises(Killed):
            training(path, words, callbacks=[Kill(hook, count, order)])
        assert outcome(*training(path, words)) == whole


def test_resumed_after_every_step(tmp_path):
    """Each run takes one step more than the one before, and ends."""
    whole = outcome(*training(tmp_path / "whole", ["augment"], every=1, epochs=2))
    path, runs = tmp_path / "steps", 0
    while True:
        try:
            trainer, history = training(path, ["augment"], every=1, epochs=2,
                                        callbacks=[Kill("on_batch_end", 1, 200)])
            break
        except Killed:
            runs += 1
    assert runs == 30 and outcome(trainer, history) == whole


# Every word once: what kind of data matters when was tried above, step by step.
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("words", [["stream"], ["mapped", "augment"], ["balanced", "accumulate"]],
                         ids=" ".join)
def test_killed_at_random_moments(words, tmp_path):
    """The process itself is killed, again and again, until one run comes to its end."""
    environment = environment_with(CYCNN_NUM_THREADS="1")
    program = [sys.executable, str(TESTS / "checkpoint_run.py")]

    def start(name):
        return subprocess.Popen([*program, str(tmp_path / name), str(tmp_path / f"{name}.result"),
                                 *words], env=environment, stderr=subprocess.PIPE, text=True)

    process = start("whole")
    assert process.wait(timeout=60) == 0, process.stderr.read()
    expected = (tmp_path / "whole.result").read_bytes()
    rng = np.random.default_rng(len(" ".join(words)))
    killed, path = 0, tmp_path / "killed"
    for _ in range(200):
        before = path.stat().st_mtime_ns if path.exists() else 0
        process = start("killed")
        # Wait until this run has written for the first time, and then for a moment longer.
        while process.poll() is None and (not path.exists() or path.stat().st_mtime_ns == before):
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.03) if killed > 2 else rng.uniform(0, 0.002))
        process.kill()
        if process.wait() == 0:
            break
        assert process.returncode == -signal.SIGKILL, process.stderr.read()
        killed += 1
        cn.load(path)                                   # whole, whenever it was
    assert killed >= 2
    assert (tmp_path / "killed.result").read_bytes() == expected
    left = {file.name for file in tmp_path.iterdir()}
    assert left <= {"whole", "whole.result", "killed", "killed.result", "killed.tmp"}


def test_a_kill_during_the_write_leaves_the_file_before(tmp_path, monkeypatch):
    path = tmp_path / "last"
    training(path, [], epochs=1, callbacks=[])
    before = path.read_bytes()
    for name in ("fsync", "replace"):
        def fail(*arguments, name=name):
            raise Killed

        monkeypatch.setattr(os, name, fail)
        with pytest.raises(Killed):
            training(path, [], epochs=1, resume=None)
        monkeypatch.undo()
        assert path.read_bytes() == before
        assert [file.name for file in tmp_path.iterdir()] == ["last"]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_everything_that_has_a_state(accumulate, tmp_path):
    """Running statistics, dropout, Adam's averages, those of the weights, a schedule that waits."""
    data, seeds = images_and_labels(), itertools.count()

    def run(path, *callbacks):
        cn.manual_seed(1)
        model = cn.Sequential(cn.Conv2d(1, 4, 3), cn.BatchNorm2d(4), cn.ReLU(), cn.Dropout(0.3),
                              cn.Flatten(), cn.Linear(144, 3))
        cn.manual_seed(next(seeds))                         # the trainer's alone decides
        optimizer = cn.AdamW(model.parameters(), lr=1e-2)
        ema = cn.ExponentialMovingAverage(model, 0.9)
        trainer = cn.Trainer(model, optimizer, cn.CrossEntropyLoss(label_smoothing=0.1), seed=2,
                             clip_grad_norm=1.0, ema=ema)
        history = trainer.fit(data, 3, 10, validation=data, progress=False, accumulate=accumulate,
                              schedule=cn.ReduceLROnPlateau(optimizer, patience=0, threshold=0.5),
                              callbacks=[Checkpoint(path, every=1), *callbacks], resume=True)
        averages = [average.tobytes() for average in ema.averages]
        weights = [array.tobytes() for array in model.state_dict().values()]
        assert len(averages) == len(weights) - 1            # all but the count of batches
        return weights, averages, history.val_loss, history.train_loss, optimizer.lr

    whole = run(tmp_path / "whole")
    assert whole[4] < 1e-2                              # the schedule did something
    for hook, count in (("on_batch_end", 1), ("on_batch_end", 11), ("on_epoch_end", 2)):
        path = tmp_path / f"{hook}{count}"
        with pytest.raises(Killed):
            run(path, Kill(hook, count, 200))
        assert run(path) == whole


def test_a_finished_training_is_not_continued(tmp_path):
    trainer, history = training(tmp_path / "last", [])
    again, other = training(tmp_path / "last", [], callbacks=[Kill("on_batch_end", 1, 0)])
    assert outcome(again, other) == outcome(trainer, history)
    assert len(other) == 4 and other.seconds == history.seconds


def parts(epochs=3, seed=3, **changes):
    model = cn.Sequential(cn.Flatten(), cn.Linear(64, 3, rng=0, **changes))
    return cn.Trainer(model, cn.SGD(model.parameters(), 0.05, momentum=0.9),
                      cn.CrossEntropyLoss(), seed=seed)


def test_more_epochs_than_before(tmp_path):
    data, path = images_and_labels(), tmp_path / "last"
    whole = parts()
    whole.fit(data, 5, 10, progress=False)
    for epochs in (2, 5):
        resumed = parts()
        history = resumed.fit(data, epochs, 10, progress=False, callbacks=[Checkpoint(path)],
                              resume=True)
    assert len(history) == 5
    assert (outcome(resumed, history)[0]) == outcome(whole, history)[0]


def test_early_stopping_goes_on_where_it_was(tmp_path):
    data, path = images_and_labels(), tmp_path / "last"

    def run(*more, where=path, resume=True):
        trainer = parts()
        stopping = EarlyStopping("train_accuracy", patience=3, restore_best_weights=True)
        history = trainer.fit(data, 30, 10, progress=False, resume=resume,
                              callbacks=[stopping, Checkpoint(where, every=4), *more])
        return outcome(trainer, history), stopping.best, stopping.wait

    whole = run(where=tmp_path / "whole")
    assert 4 <= len(whole[0][3]["train_loss"]) < 30 and whole[2] == 3
    for hook, count in (("on_epoch_end", 2), ("on_batch_end", 37)):
        with pytest.raises(Killed):
            run(Kill(hook, count, 200), where=tmp_path / hook)
        assert run(where=tmp_path / hook) == whole
    # Once more after its end: it takes no further epoch.
    assert run(Kill("on_batch_end", 1, 0), where=tmp_path / "whole") == whole


def test_a_time_limit_and_then_more_time(tmp_path):
    whole = outcome(*training(tmp_path / "whole", []))
    path = tmp_path / "last"
    trainer, history = training(path, [], every=None, callbacks=[TimeLimit(1e-9)])
    assert len(history) == 0 and path.exists()
    assert outcome(*training(path, [])) == whole


def test_the_best(tmp_path):
    class Worse(Callback):
        """Validation that is best in the second epoch."""

        def on_epoch_end(self, trainer, state):
            state.history.val_loss[-1] = [3.0, 1.0, 2.0, 1.0][state.epoch]
            weights.append(trainer.model[1].weight.data.copy())

    data, weights = images_and_labels(), []
    trainer, best = parts(), BestCheckpoint(tmp_path / "best.safetensors")
    trainer.fit(data, 4, 10, validation=data, callbacks=[best, Worse()], progress=False)
    assert best.best == 1.0
    loaded = cn.load(tmp_path / "best.safetensors")
    np.testing.assert_array_equal(loaded[1].weight.data, weights[1])
    assert loaded.normalization == trainer.model.normalization
    assert loaded.predict(data[0]).shape == (150,)
    # It is a checkpoint as well: from there two epochs more.
    again = parts()
    history = again.fit(data, 4, 10, validation=data, resume=tmp_path / "best.safetensors",
                        progress=False)
    assert len(history) == 4
    np.testing.assert_array_equal(again.model[1].weight.data, weights[3])
    best = BestCheckpoint(tmp_path / "accuracy", monitor="train_accuracy")
    history = parts().fit(data, 3, 10, callbacks=[best], progress=False)
    assert best.best == max(history.train_accuracy)


def test_what_a_layer_remembers_beside_its_arrays(tmp_path):
    class Counting(cn.Module):
        def __init__(self):
            self.calls = 0

        def forward(self, x):
            self.calls += self.training
            return x

        def backward(self, dy, input_gradient=True, accumulate=False):
            return dy

        def config(self):
            return {}

        def get_extra_state(self):
            return {"calls": self.calls, "array": np.arange(self.calls)}

        def set_extra_state(self, state):
            assert (state["array"] == np.arange(state["calls"])).all()
            self.calls = state["calls"]

    def run(epochs):
        model = cn.Sequential(Counting(), cn.Flatten(), cn.Linear(64, 3, rng=0))
        trainer = cn.Trainer(model, cn.SGD(model.parameters(), 0.1), cn.CrossEntropyLoss())
        trainer.fit(images_and_labels(), epochs, 50, progress=False, resume=True,
                    callbacks=[Checkpoint(tmp_path / "last")])
        return model[0].calls

    assert [run(1), run(3), run(3)] == [3, 9, 9]


def change(path, edit):
    """The file with its JSON part edited."""
    with safetensors.safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    content = json.loads(metadata["checkpoint"])
    edit(content, tensors)
    path.write_bytes(safetensors.save(tensors, {**metadata, "checkpoint": json.dumps(content)}))


@pytest.mark.parametrize("edit, message", [
    (lambda content, tensors: content.update(version=2), "version is 2"),
    (lambda content, tensors: content.pop("optimizer"), "optimizer"),
    (lambda content, tensors: content.pop("position"), "position"),
    (lambda content, tensors: content["setup"].update(batch_size=20), "batch_size 20.*has 10"),
    (lambda content, tensors: content.update(optimizer=["Adam", {}]), "Adam optimizer.*SGD"),
    (lambda content, tensors: content.update(schedule=["StepLR", {}]), "StepLR schedule.*none"),
    (lambda content, tensors: tensors.pop("1.weight"), "missing 1.weight"),
    (lambda content, tensors: tensors.update({"2.bias": tensors["1.bias"]}), "unexpected 2.bias"),
    (lambda content, tensors: tensors.update({"1.bias": np.zeros(4, np.float32)}), "1.bias is"),
    (lambda content, tensors: tensors.update({"1.bias": np.zeros(3)}), "1.bias is float64"),
    (lambda content, tensors: tensors.pop("checkpoint/0"), "checkpoint/0"),
    (lambda content, tensors: tensors.update({"checkpoint/0": np.zeros(3, np.float32)}),
     "momentum_buffer")])
def test_files_of_another_training(edit, message, tmp_path):
    path, data = tmp_path / "last", images_and_labels()
    parts().fit(data, 1, 10, progress=False, callbacks=[Checkpoint(path)])
    change(path, edit)
    trainer = parts()
    before = outcome(trainer, cn.History())
    with pytest.raises(ValueError, match=f"last: .*{message}"):
        trainer.fit(data, 2, 10, progress=False, resume=path)
    assert outcome(trainer, cn.History()) == before and trainer.model.normalization is None


def test_files_that_are_none(tmp_path):
    data, trainer = images_and_labels(), parts()
    cn.save(trainer.model, tmp_path / "model")
    (tmp_path / "text").write_text("no checkpoint")
    parts().fit(data, 1, 10, progress=False, callbacks=[Checkpoint(tmp_path / "last")])
    (tmp_path / "cut").write_bytes((tmp_path / "last").read_bytes()[:-100])
    for name, error, message in (
            ("model", ValueError, "model, not a checkpoint"), ("text", ValueError, "safetensors"),
            ("cut", ValueError, "cut: .*safetensors"), ("none", FileNotFoundError, "none"),
            (".", IsADirectoryError, "folder")):
        with pytest.raises(error, match=message):
            trainer.fit(data, 2, 10, progress=False, resume=tmp_path / name)
    for resume, error, message in ((True, ValueError, "needs a Checkpoint"),
                                   (3, TypeError, "resume must be")):
        with pytest.raises(error, match=message):
            trainer.fit(data, 2, 10, progress=False, resume=resume)


@pytest.mark.parametrize("make, error, message", [
    (lambda folder: Checkpoint(folder / "no" / "last"), FileNotFoundError, "there is no folder"),
    (lambda folder: Checkpoint(folder), IsADirectoryError, "is a folder"),
    (lambda folder: BestCheckpoint(folder / "x", "val_loss"), ValueError, "validation="),
    (lambda folder: BestCheckpoint(folder / "x", "loss"), ValueError, "monitor must be one of"),
    (lambda folder: BestCheckpoint(folder / "no" / "x", "train_loss"), FileNotFoundError, "folder"),
    (lambda folder: EarlyStopping("val_accuracy"), ValueError, "validation=")])
def test_what_could_go_wrong_later_does_so_at_once(make, error, message, tmp_path):
    trainer = parts()
    before = outcome(trainer, cn.History())
    with pytest.raises(error, match=message):
        trainer.fit(images_and_labels(), progress=False, callbacks=[make(tmp_path)])
    assert outcome(trainer, cn.History()) == before and trainer.model.normalization is None


def test_impossible_ones():
    for call, error, message in (
            (lambda: Checkpoint("x", every=0), ValueError, "every"),
            (lambda: Checkpoint("x", every=1.5), TypeError, "every"),
            (lambda: Checkpoint(3), TypeError, "path must be a str"),
            (lambda: BestCheckpoint("x", mode="least"), ValueError, "mode"),
            (lambda: EarlyStopping(patience=-1), ValueError, "patience"),
            (lambda: EarlyStopping(monitor=3), TypeError, "monitor"),
            (lambda: EarlyStopping(min_delta=-1), ValueError, "min_delta"),
            (lambda: TimeLimit(0), ValueError, "seconds"),
            (lambda: TimeLimit("1 h"), TypeError, "seconds")):
        with pytest.raises(error, match=message):
            call()


def test_parts_that_cannot_be_saved(tmp_path):
    class Own:
        lr = 0.1

        def step(self):
            pass

    class Layer(cn.Module):
        def __init__(self):
            pass

        def forward(self, x):
            return x

    data = images_and_labels()
    for layers, optimizer, error, message in (
            ([], Own(), TypeError, "optimizer.state_dict"),
            ([Layer()], None, NotImplementedError, "config")):
        model = cn.Sequential(*layers, cn.Flatten(), cn.Linear(64, 3, rng=0))
        trainer = cn.Trainer(model, optimizer or cn.SGD(model.parameters(), 0.1),
                             cn.CrossEntropyLoss())
        with pytest.raises(error, match=message):
            trainer.fit(data, callbacks=[Checkpoint(tmp_path / "x")], progress=False)
