"""Ctrl-C while training, and training in another thread."""

import os
import signal
import sys
import threading
import time

import pytest

import cycnn as cn
from cycnn.callbacks import Callback
from small_training import (batches_of, bytes_of, fitted, network, no_thread_is_left, shapes,
                            trainer_of)


@pytest.fixture
def train(rng):
    return shapes(rng, 70, channels=2)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
@pytest.mark.parametrize("when", ["before the step", "after the step", "in a generator"])
def test_ctrl_c_ends_with_a_whole_step(when, train):
    model, other = network(channels=2), network(channels=2)
    trainer = trainer_of(model)
    step, steps = trainer.optimizer.step, []

    def interrupted():
        if len(steps) == 6 and when == "before the step":
            os.kill(os.getpid(), signal.SIGINT)
        step()
        steps.append(1)
        if len(steps) == 7 and when == "after the step":
            os.kill(os.getpid(), signal.SIGINT)

    def batches():
        for batch in batches_of(train):
            if len(steps) == 5:
                os.kill(os.getpid(), signal.SIGINT)
            yield batch

    trainer.optimizer.step = interrupted
    model.normalization = other.normalization = cn.Normalization([100, 100], [50, 50])
    history = trainer.fit(batches if when == "in a generator" else train, 5, 16, progress=False)
    assert history.interrupted and len(history) == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    class Stop(Callback):
        def on_batch_end(self, trainer, state):
            state.stop = 5 * state.epoch + state.batch + 1 == len(steps)

    trainer_of(other).fit((lambda: batches_of(train)) if when == "in a generator" else train, 5,
                          16, callbacks=[Stop()], progress=False)
    assert bytes_of(model) == bytes_of(other)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
def test_a_second_ctrl_c_does_not_wait(train):
    def batches():
        yield train
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
        yield train

    history = trainer_of(network(channels=2)).fit(batches, 5, progress=False)
    assert history.interrupted and len(history) == 0
    assert no_thread_is_left()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
def test_a_program_with_a_handler_of_its_own_keeps_it(train):
    caught = []
    before = signal.signal(signal.SIGINT, lambda *_: caught.append(1))
    try:
        class Interrupt(Callback):
            def on_batch_end(self, trainer, state):
                os.kill(os.getpid(), signal.SIGINT)

        history = trainer_of(network(channels=2)).fit(train, callbacks=[Interrupt()],
                                                      progress=False)
    finally:
        signal.signal(signal.SIGINT, before)
    assert caught and not history.interrupted and len(history) == 1


def test_training_in_another_thread(train):
    results = []
    worker = threading.Thread(target=lambda: results.append(fitted(train)))
    worker.start()
    worker.join()
    assert results == [fitted(train)]
