"""``cycnn train``: from images to a model file, with a picture of how it went."""

import math
import os
import time

import numpy as np

import cycnn as cn

from .. import data
from .._extras import require
from ..callbacks import Callback
from ..interrupts import Interrupts
from .recipe import Recipe
from .shared import apart, stem, threads, writable


def run(args):
    """Train, save, test and draw.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C, with a text that says what was kept: the model as it was after the step in
        which the first one came. A second one within that step keeps nothing.
    """
    model_file, picture = _files(args)
    train, validation, test = _data(args)
    epochs = args.epochs or _enough_epochs(len(train))
    recipe = Recipe(args, train, epochs, epochs * math.ceil(len(train) / args.batch_size))
    _print_start(args, recipe, train, validation, test, epochs)

    started = time.perf_counter()
    with Interrupts() as interrupts:
        history = recipe.trainer.fit(
            train, epochs, args.batch_size, validation=validation, schedule=recipe.schedule,
            callbacks=[*recipe.callbacks, _EndWhenAsked(interrupts)], augment=recipe.augment,
            resume=args.resume)
        seconds = time.perf_counter() - started
        if history.interrupted:                 # by the second one: the first only asks
            raise KeyboardInterrupt(_way_on(args) and f", the model is not saved{_way_on(args)}")
        recipe.take_kept_weights()
        cn.save(recipe.trainer.model, model_file)
    interrupted = interrupts.asked
    try:
        _print_end(recipe, history, epochs, interrupted)
        result, probabilities = _tested(recipe.trainer, test)
        print(f"accuracy: {result}, after {seconds:.1f} s of training")
        print(f"model:    {model_file}")
        if args.plot and len(history):
            cn.plot.plot_training(history, test.images, probabilities, test.labels, test.classes,
                                  picture, title=f"{stem(args.data)}: {result}")
            print(f"picture:  {picture}")
    except KeyboardInterrupt:
        interrupted = True
    if interrupted:
        raise KeyboardInterrupt(f" after {len(history)} of {epochs} epochs, the model is kept: "
                                f"{model_file}{_way_on(args)}")


class _EndWhenAsked(Callback):
    """Ends training after the step in which Ctrl-C came."""

    def __init__(self, interrupts):
        self.interrupts = interrupts

    def on_batch_end(self, trainer, state):
        if self.interrupts.asked:
            state.stop = True

    on_epoch_end = on_batch_end


# --- before training ---------------------------------------------------------------------------

def _files(args):
    """The names of the model file and the picture. All that could go wrong with files at the end
    goes wrong now."""
    require("safetensors", extra="save", purpose="saving the model")
    if args.plot:
        require("matplotlib.figure", extra="plot", purpose="the picture (or --no-plot)")
    if args.resume and not args.checkpoint:
        raise ValueError("--resume needs --checkpoint FILE, the file to go on from")
    if args.early_stopping and args.validation is None:
        raise ValueError("--early-stopping needs --validation FRACTION: the images that are held "
                         "out to test with are not to decide when training ends")
    model = writable(args.model_file or f"cycnn-{stem(args.data)}.safetensors")
    if model.suffix == ".png":
        raise ValueError(f"{model}: this is the name that the picture would get; give the model's, "
                         f"such as {model.with_suffix('.safetensors')}")
    files = {"the model": model, "the picture": args.plot and model.with_suffix(".png"),
             "--checkpoint": args.checkpoint, "--log": args.log}
    apart({"--data": args.data not in data.NAMES and args.data, **files})
    for path in files.values():
        if path and path is not model:
            writable(path)
    return model, model.with_suffix(".png")


def _data(args):
    """(train, validation, test); without ``--validation`` the last two are the same."""
    train, test = data.load(args.data, args.data_dir, args.image_size)
    if not len(train) or not len(test):
        raise ValueError(f"{args.data}: {len(train)} images to train on and {len(test)} to hold "
                         "out; needed is at least one of each")
    if args.validation is None:
        return train, test, test
    train, validation = data.split(train, args.validation)
    if not len(validation):
        raise ValueError(f"--validation {args.validation:g}: {args.data} has one image of each "
                         "class to train on, and none to spare")
    return train, validation, test


def _enough_epochs(images):
    """Five, and more for small data sets, up to fifty: about 30,000 images seen."""
    return max(5, min(50, math.ceil(30_000 / images)))


def _print_start(args, recipe, train, validation, test, epochs):
    size = "x".join(map(str, train.images.shape[1:]))
    validated = "" if validation is test else f"{len(validation):,} to validate, "
    weights = sum(parameter.data.size for parameter in recipe.trainer.model.parameters())
    print(f"{args.data}: {len(train):,} images of {size} to train on, {validated}"
          f"{len(test):,} held out, {len(train.classes)} classes\n"
          f"network: {args.model}, {weights:,} weights; {epochs} epoch{'s' * (epochs > 1)} on "
          f"{threads()}")
    if args.resume:
        there = os.path.exists(args.checkpoint)
        print(f"resuming from {args.checkpoint}" if there else
              f"there is no {args.checkpoint} yet: from the beginning")
    print(end="", flush=True)


# --- after training ----------------------------------------------------------------------------

def _print_end(recipe, history, epochs, interrupted):
    """Say why training ended, if not at its end, and which weights are kept, if not the last."""
    early = recipe.early_stopping
    if len(history) < epochs and not interrupted:
        by = "--early-stopping" if early and early.wait >= early.patience else "--time-limit"
        print(f"ended:    after {len(history)} of {epochs} epochs, by {by}")
    if early and len(history):
        print(f"weights:  those of epoch {1 + int(np.argmin(history.val_loss))}, which had the "
              "lowest validation loss")


def _tested(trainer, test):
    """The accuracy in words, and the probabilities of the held-out images."""
    probabilities = trainer.predict_proba(test.images)
    right = int((probabilities.argmax(axis=1) == test.labels).sum())
    return f"{100 * right / len(test):.2f} % of {len(test):,} held-out images right", probabilities


def _way_on(args):
    """How to go on with a training that was interrupted, if that is possible."""
    there = args.checkpoint and os.path.exists(args.checkpoint)
    return f"; --resume goes on from {args.checkpoint}" if there else ""
