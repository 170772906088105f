"""Hooks, history and progress of a training."""

import json
import sys

import pytest

import cycnn as cn
from cycnn.callbacks import Callback
from small_training import bytes_of, network, shapes, trainer_of


@pytest.fixture
def train(rng):
    return shapes(rng, 90)


class Diary(Callback):
    def __init__(self):
        self.lines = []

    def on_fit_begin(self, trainer, state):
        self.lines.append(("fit", state.epochs, state.batches))

    def on_epoch_begin(self, trainer, state):
        self.lines.append(("epoch", state.epoch))

    def on_batch_end(self, trainer, state):
        assert 0 <= state.accuracy <= 1 and state.loss > 0
        self.lines.append(state.batch)

    def on_epoch_end(self, trainer, state):
        self.lines.append(("done", len(state.history)))

    def on_fit_end(self, trainer, state):
        self.lines.append("end")


def test_hooks(train):
    diary = Diary()
    trainer_of(network()).fit(train, epochs=2, batch_size=40, callbacks=[diary], progress=False)
    assert diary.lines == [("fit", 2, 3), ("epoch", 0), 0, 1, 2, ("done", 1),
                           ("epoch", 1), 0, 1, 2, ("done", 2), "end"]


@pytest.mark.parametrize("hook, at, epochs", [("on_epoch_end", 1, 2), ("on_batch_end", 1, 1),
                                              ("on_batch_end", 2, 2)])
def test_a_callback_can_stop(hook, at, epochs, train):
    stop = Callback()

    def stop_now(trainer, state):
        if state.epoch == 1 and (hook == "on_epoch_end" or state.batch == at):
            state.stop = True

    setattr(stop, hook, stop_now)
    history = trainer_of(network()).fit(train, epochs=9, batch_size=40, callbacks=[stop],
                                        progress=False)
    assert len(history) == len(history.seconds) == epochs


def test_ctrl_c_keeps_what_was_learned(train):
    class Interrupt(Diary):
        def on_batch_end(self, trainer, state):
            if (state.epoch, state.batch) == (1, 1):
                raise KeyboardInterrupt

    model, other, diary = network(), network(), Interrupt()
    history = trainer_of(model).fit(train, epochs=5, batch_size=30, callbacks=[diary],
                                    progress=False)
    assert history.interrupted and len(history) == 1 and diary.lines[-1] == "end"
    trainer_of(other).fit(train, batch_size=30, progress=False)
    assert bytes_of(model) != bytes_of(other)           # two more batches
    assert model.predict(train[0]).shape == (90,)


def test_callbacks_end_after_an_error_too(train):
    diary = Diary()
    with pytest.raises(FloatingPointError):
        trainer_of(network(), lr=1e30).fit(train, epochs=9, callbacks=[diary], progress=False)
    assert diary.lines[-1] == "end"


def test_history_is_plain_data(train):
    history = trainer_of(network()).fit(train, epochs=2, validation=train, progress=False)
    data = json.loads(json.dumps(history.to_dict(), allow_nan=False))
    assert list(data) == ["train_loss", "train_accuracy", "val_loss", "val_accuracy", "seconds",
                          "interrupted"]
    assert all(len(data[name]) == 2 for name in list(data)[:5]) and data["interrupted"] is False
    assert min(data["seconds"]) > 0
    assert repr(history).startswith("History(2 epochs: train_loss=")
    assert repr(cn.History()) == "History(0 epochs)"


def test_schedule(train):
    model = network()
    trainer = trainer_of(model)
    schedule = cn.CosineAnnealingLR(trainer.optimizer, T_max=6)
    trainer.fit(train, epochs=2, batch_size=30, schedule=schedule, progress=False)
    assert trainer.optimizer.lr == pytest.approx(0, abs=1e-15)
    with pytest.raises(ValueError, match="total_steps=3"):
        trainer.fit(train, batch_size=30, schedule=schedule, progress=False)
    with pytest.raises(ValueError, match="total_steps=3"):
        trainer.fit(train, batch_size=30, progress=False,
                    schedule=cn.OneCycleLR(trainer.optimizer, 0.1, total_steps=2))


def test_plain_lines(train, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    trainer_of(network()).fit(train, epochs=2, validation=train)
    out, err = capsys.readouterr()
    assert [line.split(":")[0] for line in out.splitlines()] == ["epoch 1/2", "epoch 2/2"]
    assert "validation accuracy" in out and err == ""
    trainer_of(network()).fit(train, progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_bar(train, capsys):
    pytest.importorskip("tqdm", reason="tqdm is not installed")
    trainer_of(network()).fit(train, epochs=2, batch_size=1, validation=train, progress=True)
    out, err = capsys.readouterr()
    last = err.strip().splitlines()[-1].rpartition("\r")[2]
    assert out == "" and last.startswith("epoch 2/2") and "100%" in last
    assert ", loss 0." in last and ", val_loss 0." in last and ", val_accuracy " in last


def test_without_tqdm(train, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    trainer_of(network()).fit(train)
    assert "epoch 1/1" in capsys.readouterr().out
    with pytest.raises(ImportError, match=r'pip install "cycnn\[progress\]"'):
        trainer_of(network()).fit(train, progress=True)
