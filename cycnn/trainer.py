"""The training loop."""

import contextlib
import math
import time

import numpy as np

from . import batches, metrics, normalization
from .callbacks import FitState, progress_callback
from .functional import _check, gather_batch
from .history import History
from .layers.module import dtype_of, evaluation_mode
from .optim import ExponentialMovingAverage, clip_grad_norm_, clip_grad_value_
from .schedules import ReduceLROnPlateau, Schedule

# Images that are evaluated at a time.
_EVALUATION_BATCH = 256


class Trainer:
    """Trains a network on images, evaluates it and predicts with it.

    Parameters
    ----------
    model : cycnn.Module
    optimizer : cycnn.SGD, cycnn.AdamW or another :class:`cycnn.optim.Optimizer`
        Made with `model.parameters()`.
    loss : cycnn.CrossEntropyLoss, cycnn.MSELoss or another :class:`cycnn.losses.Loss`
        With the reduction "mean" or "sum".
    seed : int
        For the order of the training images. The same seed, initial weights and kind of machine
        give the same weights bit for bit, for any number of threads.
    clip_grad_norm : float, optional
        Before each step the gradients are scaled so that their norm is at most this:
        :func:`cycnn.clip_grad_norm_`.
    clip_grad_value : float, optional
        Before that, every number of them is cut to within plus and minus this:
        :func:`cycnn.clip_grad_value_`.
    ema : cycnn.ExponentialMovingAverage, optional
        Made with `model.parameters()`: updated after each step, and what `fit` validates. The model
        itself keeps the last weights; ``with trainer.ema.average_parameters():`` evaluates and
        saves the averages.

    Examples
    --------
    >>> trainer = Trainer(model, SGD(model.parameters(), lr=0.05, momentum=0.9), CrossEntropyLoss())
    >>> history = trainer.fit(train, epochs=3, batch_size=64, validation=test)
    >>> trainer.evaluate(test)["accuracy"]
    """

    def __init__(self, model, optimizer, loss, seed=0, clip_grad_norm=None, clip_grad_value=None,
                 ema=None):
        parameters = getattr(optimizer, "parameters", None)
        own = set(map(id, model.parameters()))
        if isinstance(parameters, list):
            if not any(id(parameter) in own for parameter in parameters):
                raise ValueError("optimizer must be made with the parameters of this model: "
                                 "it has none of them")
        if getattr(loss, "reduction", "mean") == "none":
            raise ValueError('loss must have reduction "mean" or "sum" to train with, got "none"')
        self.clip_grad_norm = _limit(clip_grad_norm, "clip_grad_norm")
        self.clip_grad_value = _limit(clip_grad_value, "clip_grad_value")
        if ema is not None and not isinstance(ema, ExponentialMovingAverage):
            raise TypeError("ema must be a cycnn.ExponentialMovingAverage, got "
                            f"{type(ema).__name__}")
        if ema is not None and not own.issuperset(map(id, ema.parameters)):
            raise ValueError("ema must be made with the parameters of this model")
        self.model, self.optimizer, self.loss, self.ema = model, optimizer, loss, ema
        self.rng = np.random.Generator(np.random.PCG64(_check.integer(seed, "seed", 0)))

    def fit(self, train, epochs=1, batch_size=64, validation=None, schedule=None, callbacks=(),
            progress=None):
        """Train for some epochs.

        Images enter normalised. Where the model has no `normalization` yet, it gets that of these
        images, and with it `classes` and `input_shape`, all of which :func:`cycnn.save` keeps.

        A batch whose images are all to be ignored (by a loss with an `ignore_index`) takes no step.

        Ctrl-C ends training after the weights of the current step: the model keeps what it has
        learned, and the history of the complete epochs is returned with `interrupted` set.

        Parameters
        ----------
        train : data set, or pair (images, labels)
            Images (N, C, H, W), uint8 or another type of real numbers, and labels (N,), or what
            else the loss takes: probabilities (N, classes), numbers.
        epochs, batch_size : int
            At least 1. The last batch of an epoch may be smaller.
        validation : data set or pair, optional
            Evaluated after each epoch.
        schedule : cycnn.schedules.Schedule, optional
            Its `step()` is called after each batch, or each epoch if that is its `interval`;
            :class:`cycnn.ReduceLROnPlateau` also gets its metric.
        callbacks : iterable of cycnn.callbacks.Callback
        progress : bool or None
            None: a tqdm bar where tqdm is installed, else one line an epoch.
            True: a bar. False: silence.

        Returns
        -------
        cycnn.History

        Raises
        ------
        ValueError, TypeError
            If data, model and numbers do not fit each other; nothing has been changed.
        FloatingPointError
            If the loss is no longer finite, before the weights take that step.
        """
        model = self.model
        epochs = _check.integer(epochs, "epochs", 1)
        batch_size = _check.integer(batch_size, "batch_size", 1)
        images, labels = batches.images_and_labels(train, "train")
        labels = self._check_targets(images, labels, "train labels")
        if validation is not None:
            validation = self._checked(validation, "validation")
        steps = math.ceil(len(images) / batch_size)
        if isinstance(schedule, Schedule) and schedule.optimizer is not self.optimizer:
            raise ValueError("schedule must be made with the optimizer of this trainer")
        _check_schedule(schedule, epochs, steps, [
            f"{part}_{score}" for part in ["train"] + ["val"] * (validation is not None)
            for score in ["loss"] + ["accuracy"] * self.loss.classifies])
        callbacks = [*progress_callback(progress), *callbacks]
        scale = model.normalization or normalization.measure(images)

        model.normalization, model.input_shape = scale, images.shape[1:]
        if getattr(train, "classes", None) is not None:
            model.classes = [str(name) for name in train.classes]
        history = History()
        state = FitState(epochs, steps, history)
        try:
            _call(callbacks, "on_fit_begin", self, state)
            for state.epoch in range(epochs):
                started = time.perf_counter()
                _call(callbacks, "on_epoch_begin", self, state)
                model.train()
                self._train_epoch(images, labels, batch_size, schedule, callbacks, state)
                if state.batch + 1 < steps:             # a callback stopped it
                    break
                scores = {}
                if validation is not None:
                    with self.ema.average_parameters() if self.ema else contextlib.nullcontext():
                        scores = self._evaluate(*validation)
                _record(history, state, scores, time.perf_counter() - started)
                if schedule is not None:
                    schedule.after_epoch(history)
                _call(callbacks, "on_epoch_end", self, state)
                if state.stop:
                    break
        except KeyboardInterrupt:
            history.interrupted = True
        finally:
            _call(callbacks, "on_fit_end", self, state)
        return history

    def evaluate(self, dataset, batch_size=_EVALUATION_BATCH):
        """The mean loss and, for class labels, the accuracy.

        Parameters
        ----------
        dataset : data set, or pair (images, labels)
        batch_size : int
            Images that are computed at a time.

        Returns
        -------
        dict
            ``{"loss": float, "accuracy": float}``; no accuracy where the loss knows no classes.
        """
        return self._evaluate(*self._checked(dataset, "dataset"), batch_size)

    def predict_proba(self, images, batch_size=_EVALUATION_BATCH):
        """The probability of each class for each image: see :meth:`cycnn.Module.predict_proba`."""
        return self.model.predict_proba(images, batch_size)

    def predict(self, images, batch_size=_EVALUATION_BATCH):
        """The number of the most probable class: see :meth:`cycnn.Module.predict`."""
        return self.model.predict(images, batch_size)

    def _train_epoch(self, images, labels, batch_size, schedule, callbacks, state):
        """One pass over the images in a new order; leaves the running means in `state`."""
        model, loss = self.model, self.loss
        mean, std = batches.scaling(model.normalization, images.shape[1])
        dtype = dtype_of(model)
        order = self.rng.permutation(len(images))
        hooks = [callback.on_batch_end for callback in callbacks]
        done = correct = counted = 0
        total = 0.0
        for state.batch in range(state.batches):
            indices = order[state.batch * batch_size:(state.batch + 1) * batch_size]
            targets = labels[indices]
            outputs = model.forward(gather_batch(images, indices, mean, std, dtype))
            value = loss.forward(outputs, targets)
            summed, weight = loss.totals(value, targets)
            if weight:                          # else all images of the batch are to be ignored
                if not math.isfinite(value):
                    raise FloatingPointError(
                        f"the loss became {value} in epoch {state.epoch + 1}, batch "
                        f"{state.batch + 1}: try a lower learning rate (lr is "
                        f"{getattr(self.optimizer, 'lr', 'unknown')})")
                model.backward(loss.backward(), input_gradient=False)
                self._step()
            if schedule is not None:
                schedule.after_batch()
            done += weight
            total += summed
            state.loss = total / done if done else math.nan
            if loss.classifies:
                right, known = loss.score(outputs, targets)
                correct += right
                counted += known
                state.accuracy = correct / counted if counted else math.nan
            for hook in hooks:
                hook(self, state)
            if state.stop:
                break

    def _step(self):
        """From the gradients to new weights."""
        if self.clip_grad_value is not None:
            clip_grad_value_(self.model.parameters(), self.clip_grad_value)
        if self.clip_grad_norm is not None:
            clip_grad_norm_(self.model.parameters(), self.clip_grad_norm)
        self.optimizer.step()
        if self.ema is not None:
            self.ema.update()

    def _evaluate(self, images, labels, batch_size=_EVALUATION_BATCH):
        """`evaluate` for data that has been checked."""
        model, loss = self.model, self.loss
        total, done, correct, counted, start = 0.0, 0, 0, 0, 0
        with evaluation_mode(model):
            for x in batches.in_order(images, batch_size, model.normalization, dtype_of(model)):
                targets = labels[start:start + len(x)]
                outputs = model.forward(x)
                summed, weight = loss.totals(loss.forward(outputs, targets), targets)
                total += summed
                done += weight
                if loss.classifies:
                    right, known = loss.score(outputs, targets)
                    correct += right
                    counted += known
                start += len(x)
        scores = {"loss": total / done if done else math.nan}
        if loss.classifies:
            scores["accuracy"] = correct / counted if counted else math.nan
        return scores

    def _checked(self, data, name):
        images, labels = batches.images_and_labels(data, name)
        return images, self._check_targets(images, labels, f"{name} labels")

    def _check_targets(self, images, labels, name):
        """The labels as the loss takes them, after a run of the model with none of the images."""
        dtype = dtype_of(self.model)
        with evaluation_mode(self.model):
            outputs = self.model.forward(batches.none(images, self.model.normalization, dtype))
        return self.loss.check_targets(labels, outputs.shape[1:], dtype, name)


def _limit(value, name):
    return value if value is None else _check.positive(value, name)


def _check_schedule(schedule, epochs, batches, names):
    """Raise unless the schedule is one, and long enough; `names` are those in the history."""
    if schedule is None:
        return
    if not isinstance(schedule, Schedule):
        raise TypeError(f"schedule must be a cycnn.schedules.Schedule, got "
                        f"{type(schedule).__name__}")
    if isinstance(schedule, ReduceLROnPlateau):
        schedule.check_monitor(names)
    batchwise = schedule.interval == "batch"
    total, steps = schedule.total_steps, epochs * batches if batchwise else epochs
    if total is not None and schedule.last_step + steps > total:
        raise ValueError(f"schedule is made for {total} {'batches' if batchwise else 'epochs'} and "
                         f"has done {schedule.last_step}, this fit needs {steps}: give it "
                         f"total_steps={steps}")


def _record(history, state, scores, seconds):
    history.train_loss.append(state.loss)
    if state.accuracy is not None:
        history.train_accuracy.append(state.accuracy)
    if "loss" in scores:
        history.val_loss.append(scores["loss"])
    if "accuracy" in scores:
        history.val_accuracy.append(scores["accuracy"])
    history.seconds.append(seconds)


def _call(callbacks, hook, trainer, state):
    for callback in callbacks:
        getattr(callback, hook)(trainer, state)
