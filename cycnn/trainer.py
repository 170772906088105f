"""The training loop."""

import contextlib
import itertools
import math
import time

import numpy as np

from . import batches, checkpoint, feeding, parts, random
from . import sampling as samplings
from .callbacks.base import FitState, checked_callbacks
from .callbacks.checkpoints import resume_file
from .callbacks.progress import progress_callback
from .functional import _check
from .history import History
from .interrupts import Interrupts
from .layers.prediction import averaged_logits, dtype_of, evaluation_mode
from .optim import clip_grad_norm_, clip_grad_value_
from .schedules import Schedule

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
        For all chance in training: the order of the images, their augmentation, and what dropout
        drops (whatever :func:`cycnn.manual_seed` was given, which is for the first weights). The
        same seed, first weights and kind of machine give the same weights bit for bit, for any
        number of threads.
    clip_grad_norm : float, optional
        Before each step the gradients are scaled so that their norm is at most this:
        :func:`cycnn.clip_grad_norm_`.
    clip_grad_value : float, optional
        Before that, every number of them is cut to within plus and minus this:
        :func:`cycnn.clip_grad_value_`.
    ema : cycnn.ExponentialMovingAverage, optional
        Made with `model`, or with `model.parameters()` alone: updated after each step, and what
        `fit` validates. The model itself keeps the last weights;
        ``with trainer.ema.average_parameters():`` evaluates and saves the averages.

    Examples
    --------
    >>> trainer = Trainer(model, SGD(model.parameters(), lr=0.05, momentum=0.9), CrossEntropyLoss())
    >>> history = trainer.fit(train, epochs=3, batch_size=64, validation=test)
    >>> trainer.evaluate(test)["accuracy"]
    """

    def __init__(self, model, optimizer, loss, seed=0, clip_grad_norm=None, clip_grad_value=None,
                 ema=None):
        parts.check(model, optimizer, loss, ema)
        self.clip_grad_norm = _limit(clip_grad_norm, "clip_grad_norm")
        self.clip_grad_value = _limit(clip_grad_value, "clip_grad_value")
        self.model, self.optimizer, self.loss, self.ema = model, optimizer, loss, ema
        self.seed = _check.integer(seed, "seed", 0)
        self.rng = np.random.Generator(np.random.PCG64(self.seed))
        # Epochs begun so far, in all fits: a later fit's augmentation repeats none of them.
        self.epochs_begun = 0

    def fit(self, train, epochs=1, batch_size=64, validation=None, schedule=None, callbacks=(),
            progress=None, *, augment=None, sampling=None, accumulate=1, steps_per_epoch=None,
            resume=None):
        """Train for some epochs.

        Images enter normalised. Where the model has no `normalization` yet, it gets that of these
        images, and with it `classes` and `input_shape`, all of which :func:`cycnn.save` keeps.

        A batch whose images are all to be ignored (by a loss with an `ignore_index`) takes no step.

        Ctrl-C ends the epoch after the current step: the model keeps what it has learned, and the
        history of the complete epochs is returned with `interrupted` set. A second one ends it at
        once.

        Parameters
        ----------
        train : data set, pair (images, labels), or iterable of such pairs
            Images (N, C, H, W), uint8 or another type of real numbers, and labels (N,), or what
            else the loss takes: probabilities (N, classes), numbers. Images may be memory-mapped,
            larger than memory, or anything that is sliced and indexed like an array, such as an
            h5py data set. Of an iterable, each pair is a batch; it may be a data loader, a
            generator, or a function that makes one for every epoch (and is given the epoch's
            number, if it takes an argument). Its images are not measured: set
            `model.normalization`, or give images that are normalised.
        epochs, batch_size : int
            At least 1. The last batch of an epoch may be smaller.
        validation : like `train`, optional
            Evaluated after each epoch.
        schedule : cycnn.schedules.Schedule, optional
            Its `step()` is called after each step of the optimizer, or each epoch if that is its
            `interval`; :class:`cycnn.ReduceLROnPlateau` also gets its metric.
        callbacks : iterable of cycnn.callbacks.Callback, or one
        progress : bool or None
            None: a tqdm bar where tqdm is installed, else one line an epoch.
            True: a bar. False: silence.
        augment : cycnn.data.augment.Augmentation, optional
            Changes the training images anew in every epoch, in a thread of its own. Any callable
            ``augment(images, indices, seed, epoch, samples)`` will do.
        sampling : None, "balanced", or array_like (N,)
            None: an epoch is each image once, in random order. "balanced": as many images of each
            class. Weights: images are drawn by them, some twice and some never.
        accumulate : int
            Batches whose gradients make one step of the optimizer: the same as a batch so many
            times as large (up to rounding; batch normalisation sees the small ones), in the memory
            of a small one.
        steps_per_epoch : int, optional
            For an iterable: how many of its batches are an epoch; by default all.
        resume : str, path-like or True, optional
            Go on from this checkpoint, or with True from the file of the
            :class:`cycnn.callbacks.Checkpoint` among `callbacks` if it exists: given the same
            arguments otherwise, the weights will be, bit for bit, those of a training that was
            never interrupted. A generator is to begin anew: what was trained on is gone past.

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
        accumulate = _check.integer(accumulate, "accumulate", 1)
        feed = self._source(train, "train", epochs, steps_per_epoch, feeding.check_augment(augment))
        if sampling is not None and not feed.checked:
            raise ValueError("sampling needs images that can be taken in any order, got "
                             f"{type(train).__name__}")
        options = feeding.Options(
            batch_size, samplings.check(sampling, feed.labels), augment, self.seed)
        if validation is not None:
            validation = self._source(validation, "validation", epochs)
        batches_in_all = feed.number_of_batches(batch_size)
        steps = batches_in_all and math.ceil(batches_in_all / accumulate)
        if isinstance(schedule, Schedule) and schedule.optimizer is not self.optimizer:
            raise ValueError("schedule must be made with the optimizer of this trainer")
        records = self._records(validation)
        callbacks = sorted([*progress_callback(progress), *checked_callbacks(callbacks)],
                           key=lambda callback: getattr(callback, "order", 0))
        resume = resume_file(resume, callbacks)
        parts.check_schedule(schedule, epochs, steps, records[1:], anew=resume is not None)

        history, begun = History(), []
        state = FitState(epochs, steps, history, records, schedule, callbacks,
                         {"batch_size": batch_size, "accumulate": accumulate, "seed": self.seed,
                          "batches": steps, "train_images": len(feed) if feed.checked else None,
                          "sampling": samplings.kind(options.sampling),
                          "classes": self._classes(train)})
        with Interrupts() as interrupts:
            try:
                for callback in callbacks:
                    callback.on_fit_begin(self, state)
                    begun.append(callback)
                first = checkpoint.restore(resume, self, state) if resume else 0
                feed.skip(state.epoch)
                self._prepare(train, feed)
                for state.epoch in range(state.epoch, epochs):
                    started = time.perf_counter()
                    _call(callbacks, "on_epoch_begin", self, state)
                    if state.stop:                  # it was to end before it was resumed
                        break
                    model.train()
                    if not self._train_epoch(feed, options, accumulate, first, state, interrupts):
                        break
                    first = 0
                    scores = {}
                    if validation is not None:
                        with self.averaged_weights():
                            scores = self._evaluate(validation)
                    _record(history, state, scores, time.perf_counter() - started)
                    if schedule is not None:
                        schedule.after_epoch(history)
                    _call(callbacks, "on_epoch_end", self, state)
                    if state.stop or interrupts.asked:
                        break
                    state.begin_epoch()
            except KeyboardInterrupt:
                history.interrupted = True
            finally:
                history.interrupted |= interrupts.asked
                # One that refused this training may still have in it what it knows of another.
                _call(begun, "on_fit_end", self, state)
        return history

    def evaluate(self, dataset, batch_size=_EVALUATION_BATCH, views=None):
        """The mean loss and, for class labels, the accuracy.

        Parameters
        ----------
        dataset : data set, pair (images, labels), or iterable of such pairs
            As for :meth:`fit`.
        batch_size : int
            Images that are computed at a time.
        views : list of callables, optional
            As for :meth:`cycnn.Module.predict_proba`: loss and accuracy are those of the mean of
            the probabilities of these views of each image.

        Returns
        -------
        dict
            ``{"loss": float, "accuracy": float}``; no accuracy where the loss knows no classes.

        Raises
        ------
        TypeError, ValueError
            If data, model and views do not fit each other, or there are views but no classes.
        """
        batch_size = _check.integer(batch_size, "batch_size", 1)
        views = batches.check_views(views)
        if views and not self.loss.classifies:
            raise ValueError("views needs a loss that knows classes, whose probabilities are "
                             f"averaged, got {type(self.loss).__name__}")
        feed = self._source(dataset, "dataset", view=views and views[0])
        return self._evaluate(feed, batch_size, views)

    def predict_proba(self, images, batch_size=_EVALUATION_BATCH, views=None):
        """The probability of each class for each image: see :meth:`cycnn.Module.predict_proba`."""
        return self.model.predict_proba(images, batch_size, views)

    def predict(self, images, batch_size=_EVALUATION_BATCH, views=None):
        """The number of the most probable class: see :meth:`cycnn.Module.predict`."""
        return self.model.predict(images, batch_size, views)

    def averaged_weights(self):
        """Within a block the model has the averaged weights, where there are such."""
        return self.ema.average_parameters() if self.ema else contextlib.nullcontext()

    def _source(self, data, name, epochs=1, steps=None, augment=None, view=None):
        """`data` as a source of batches, checked by a run of the model with none of the images."""
        model, dtype = self.model, dtype_of(self.model)

        def output(images):
            with evaluation_mode(model):
                return batches.output_of_none(
                    model.forward, batches.none(images, model.normalization, dtype))

        feed = feeding.source(data, name, steps)
        feeding.check_repeats(feed, epochs)
        feed.input_shape = feed.check(output, self.loss, dtype, augment, view)
        return feed

    def _records(self, validation):
        """The names of what the history gets from every epoch."""
        names = ["loss", "accuracy"] if self.loss.classifies else ["loss"]
        return ["seconds", *(f"{part}_{name}" for name in names
                             for part in (["train"] if validation is None else ["train", "val"]))]

    def _prepare(self, train, feed):
        """Let the model know what it is trained on."""
        model = self.model
        scale = model.normalization or feed.measure()
        model.normalization = scale
        model.input_shape = feed.input_shape or model.input_shape
        model.classes = self._classes(train)

    def _classes(self, train):
        """The names of the classes that the model will have."""
        names = getattr(train, "classes", None)
        return self.model.classes if names is None else [str(name) for name in names]

    def _train_epoch(self, feed, options, accumulate, first, state, interrupts):
        """The epoch from step `first` on; returns whether it came to its end."""
        schedule = state.schedule
        hooks = [callback.on_batch_end for callback in state.callbacks]
        state.random, state.number = self.rng.bit_generator.state, self.epochs_begun
        self.epochs_begun += 1
        batches_of_epoch = feed.epoch(options, self.rng, state.number, first * accumulate,
                                      self.model.normalization, dtype_of(self.model))
        state.batch = first - 1
        with contextlib.closing(batches_of_epoch):
            for state.batch, group in enumerate(_groups(batches_of_epoch, accumulate), first):
                if self._gradients(feed, group, accumulate, state):
                    self._step()
                if schedule is not None:
                    schedule.after_batch()
                state.interrupted = interrupts.asked
                for hook in hooks:
                    hook(self, state)
                if state.stop or state.interrupted:
                    return state.batch + 1 == state.batches
        return True

    def _gradients(self, feed, group, accumulate, state):
        """Write the gradients of the mean loss of some batches, and count them in `state`.

        Returns
        -------
        bool
            Whether there are any: a loss may ignore all images.
        """
        model, loss = self.model, self.loss
        # Means over batches become the mean over all: the gradients of sums now, so that no batch
        # need wait for those after it, divided at the end. Sums are added as they are.
        of_mean = accumulate > 1 and loss.reduction == "mean"
        weights, begun = 0, False
        for number, (x, targets) in enumerate(group, state.batch * accumulate):
            with random.KeysOf(self.seed, state.number, number):
                outputs = model.forward(x)
            if not feed.checked:
                targets = loss.check_targets(targets, outputs.shape[1:], x.dtype, "train labels")
                model.input_shape = x.shape[1:]
            value = loss.forward(outputs, targets)
            total, weight = loss.totals(value, targets)
            gradient = None
            if weight:
                self._check_loss(value, state)
                gradient = loss.backward() * weight if of_mean else loss.backward()
            elif of_mean:
                total, gradient = parts.without_weight(loss, outputs, targets)
                self._check_loss(total, state)
            if gradient is not None:
                model.backward(gradient, input_gradient=False, accumulate=begun)
                weights, begun = weights + weight, True
            score = loss.score(outputs, targets) if loss.classifies else (0, 0)
            state.add(len(x), (total, weight, *score), loss.classifies)
        if of_mean and weights:
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter.grad *= 1 / weights
        return weights > 0

    def _step(self):
        """From the gradients to new weights."""
        if self.clip_grad_value is not None:
            clip_grad_value_(self.model.parameters(), self.clip_grad_value)
        if self.clip_grad_norm is not None:
            clip_grad_norm_(self.model.parameters(), self.clip_grad_norm)
        self.optimizer.step()
        if self.ema is not None:
            self.ema.update()

    def _check_loss(self, value, state):
        if not math.isfinite(value):
            raise FloatingPointError(
                f"the loss became {value} in epoch {state.epoch + 1}, batch {state.batch + 1}: try "
                f"a lower learning rate (lr is {getattr(self.optimizer, 'lr', 'unknown')})")

    def _evaluate(self, feed, batch_size=_EVALUATION_BATCH, views=None):
        """`evaluate` for data that has been checked."""
        model, loss, dtype = self.model, self.loss, dtype_of(self.model)
        state = FitState(1, None, None)
        with evaluation_mode(model):
            for images, targets in feed.in_order(batch_size):
                outputs = (averaged_logits(model, images, views, dtype) if views else
                           model.forward(batches.whole(images, model.normalization, dtype)))
                if not feed.checked:
                    targets = loss.check_targets(targets, outputs.shape[1:], dtype,
                                                 f"{feed.name} labels")
                totals = loss.totals(loss.forward(outputs, targets), targets)
                score = loss.score(outputs, targets) if loss.classifies else (0, 0)
                state.add(len(images), (*totals, *score), loss.classifies)
        scores = {"loss": state.loss}
        if loss.classifies:
            scores["accuracy"] = state.accuracy
        return scores


def _groups(items, size):
    """Yield iterators over the next `size` of the iterator `items`, over what is left at last."""
    for item in items:
        yield itertools.chain((item,), itertools.islice(items, size - 1))


def _limit(value, name):
    return value if value is None else _check.positive(value, name)


def _record(history, state, scores, seconds):
    history.train_loss.append(state.loss)
    if state.accuracy is not None:
        history.train_accuracy.append(state.accuracy)
    if "loss" in scores:
        history.val_loss.append(scores["loss"])
    if "accuracy" in scores:
        history.val_accuracy.append(scores["accuracy"])
    history.seconds.append(seconds)
    state.complete = True


def _call(callbacks, hook, trainer, state):
    for callback in callbacks:
        getattr(callback, hook)(trainer, state)
