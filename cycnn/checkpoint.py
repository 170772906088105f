"""A training in one file, from which it goes on as if it had never stopped.

A checkpoint is a model file as :mod:`cycnn.serialization` writes it, with more in it: the metadata
has a second entry, ``"checkpoint"``, a JSON object, and the arrays in that are tensors whose names
begin with ``"checkpoint/"``. So :func:`cycnn.load` reads it as a model, and nothing in it is run.
"""

import contextlib
import json
import os

import numpy as np

from . import random, serialization
from ._extras import require
from .normalization import Normalization

_VERSION = 1
#: What a file's name ends in while it is written.
SUFFIX = ".tmp"
_PARTS = ("setup", "position", "history", "random", "layers_random", "layers", "optimizer",
          "ema", "schedule", "callbacks")


def check(trainer, state):
    """Raise if this training could not be saved.

    Raises
    ------
    TypeError
        If optimizer, schedule or a layer cannot say what it is made of.
    ImportError
        If safetensors is not installed.
    """
    require("safetensors.numpy", extra="save", purpose="saving a checkpoint")
    for name, part in (("optimizer", trainer.optimizer), ("schedule", state.schedule)):
        if part is not None and not (hasattr(part, "state_dict")
                                     and hasattr(part, "load_state_dict")):
            raise TypeError(f"a checkpoint needs {name}.state_dict() and .load_state_dict(), which "
                            f"{type(part).__name__} does not have")
    serialization.describe(trainer.model)


def save(path, trainer, state, averaged=False):
    """Write where a training stands, over what was there before once all of it is on the disk.

    Parameters
    ----------
    path : str or path-like
    trainer : cycnn.Trainer
    state : cycnn.callbacks.FitState
    averaged : bool
        Whether the model in the file is to have the averaged weights, where there are such. The
        training's own are then beside them.
    """
    safetensors = require("safetensors.numpy", extra="save", purpose="saving a checkpoint")
    if state.complete:
        position = {"epoch": state.epoch + 1, "batch": 0, "images": 0, "sums": [0.0, 0, 0, 0],
                    "number": trainer.epochs_begun}
    else:
        position = {"epoch": state.epoch, "batch": state.batch + 1, "images": state.images,
                    "sums": state.sums, "number": state.number}
    content = {
        "version": _VERSION,
        "setup": state.setup,
        "position": position,
        "history": state.history.to_dict(),
        "random": trainer.rng.bit_generator.state if state.complete else state.random,
        "layers_random": random.get_rng_state(),
        "layers": {name: module.get_extra_state() for name, module in _with_state(trainer.model)},
        "optimizer": [type(trainer.optimizer).__name__, trainer.optimizer.state_dict()],
        "ema": trainer.ema and trainer.ema.state_dict(),
        "schedule": state.schedule and [type(state.schedule).__name__, state.schedule.state_dict()],
        "callbacks": [[type(callback).__name__, callback.state_dict()]
                      for callback in _that_remember(state.callbacks)],
    }
    model, averaged = trainer.model, averaged and trainer.ema is not None
    if averaged:
        content["weights"] = {name: array.copy() for name, array in model.state_dict().items()}
    tensors = {}
    text = json.dumps(_packed(content, tensors))
    with trainer.averaged_weights() if averaged else contextlib.nullcontext():
        data = safetensors.save({**model.state_dict(), **tensors},
                                {"cycnn": serialization.describe(model), "checkpoint": text})
    serialization.write(path, data, SUFFIX)


def restore(path, trainer, state):
    """Give model, optimizer, schedule, callbacks and random numbers what a checkpoint holds.

    Parameters
    ----------
    path : str or path-like
    trainer : cycnn.Trainer
    state : cycnn.callbacks.FitState
        Gets the position, and the history.

    Returns
    -------
    int
        How many steps of the epoch `state.epoch` are done.

    Raises
    ------
    FileNotFoundError
    ValueError
        If it is no checkpoint, or one of another training: the message says what differs, and
        nothing has been changed.
    """
    path = os.fspath(path)
    metadata, tensors = serialization.read(path)
    try:
        return _restore(metadata, tensors, trainer, state)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        what = error if isinstance(error, (ValueError, TypeError)) else repr(error)
        raise ValueError(f"{path}: {what}") from error


def _restore(metadata, tensors, trainer, state):
    if "checkpoint" not in metadata:
        raise ValueError("this is a model, not a checkpoint: cycnn.load reads it")
    content = _unpacked(json.loads(metadata["checkpoint"]), tensors)
    if content["version"] != _VERSION:
        raise ValueError(f"its version is {content['version']!r}, this cycnn reads "
                         f"version {_VERSION}")
    lacking = [part for part in _PARTS if part not in content]
    if lacking:
        raise ValueError(f"it lacks {', '.join(lacking)}")
    description = json.loads(metadata["cycnn"])
    _check_setup({"classes": description["classes"], **content["setup"]}, state.setup)
    own = json.loads(serialization.describe(trainer.model))
    serialization.check_same(description["architecture"], own["architecture"])
    model, optimizer, schedule = trainer.model, trainer.optimizer, state.schedule
    for name, part, saved in (("optimizer", optimizer, content["optimizer"]),
                              ("schedule", schedule, content["schedule"])):
        now, before = part and type(part).__name__, saved and saved[0]
        if now != before:
            raise ValueError(f"it is of a training with {before or 'no'} {name}, "
                             f"this one has {now or 'none'}")
    if (trainer.ema is None) != (content["ema"] is None):
        raise ValueError("it is of a training with{0} averaged weights, this one is{1}".format(
            *(("", " not") if trainer.ema is None else ("out", ""))))
    weights = content.get("weights") or {name: array for name, array in tensors.items()
                                         if not name.startswith(serialization.MORE)}
    _check_weights(model.state_dict(), weights)
    # Each of these checks what it is given before it changes anything.
    optimizer.load_state_dict(content["optimizer"][1])
    if trainer.ema is not None:
        trainer.ema.load_state_dict(content["ema"])
    if schedule is not None:
        schedule.load_state_dict(content["schedule"][1])
    model.load_state_dict(weights)
    layers = dict(_with_state(model))
    for name, extra in content["layers"].items():
        layers[name].set_extra_state(extra)
    scale = description["normalization"]
    model.normalization = scale and Normalization(scale["mean"], scale["std"])
    saved = content["callbacks"]
    for callback in _that_remember(state.callbacks):
        # By class, and those of one class in their order; one that is new begins.
        for i, (name, remembered) in enumerate(saved):
            if name == type(callback).__name__:
                callback.load_state_dict(remembered)
                saved = saved[:i] + saved[i + 1:]
                break
    trainer.rng.bit_generator.state = content["random"]
    random.set_rng_state(content["layers_random"])
    vars(state.history).update(content["history"])
    position = content["position"]
    trainer.epochs_begun = position["number"]
    state.epoch, state.resumed = position["epoch"], True
    state.add(position["images"], position["sums"], trainer.loss.classifies)
    state.history.interrupted = False
    return position["batch"]


def _check_setup(before, now):
    """Raise if what a training was begun with differs: where that is known, as older files and
    models know less."""
    for name, value in now.items():
        if name not in before or before[name] == value:
            continue
        if name != "classes":
            raise ValueError(f"it is of a training with {name} {before[name]}, this one has "
                             f"{value}")
        if before[name] is not None and value is not None:
            raise ValueError(f"it is of a training with {_names(before[name], value)}, this one "
                             f"has {_names(value, before[name])}")


def _names(classes, others):
    """What to say of names of classes that differ from `others`: the first that does."""
    for number, (name, other) in enumerate(zip(classes, others)):
        if name != other:
            return f"the class {number} {name!r}"
    return f"{len(classes)} classes"


def _check_weights(needed, found):
    """Raise if the arrays `found`, by name, could not replace those of `needed`."""
    problems = [f"missing {name}" for name in needed if name not in found]
    problems += [f"unexpected {name}" for name in found if name not in needed]
    problems += [f"{name} is {found[name].dtype} of shape {found[name].shape}, needed is "
                 f"{array.dtype} of shape {array.shape}" for name, array in needed.items()
                 if name in found and (found[name].shape, found[name].dtype) != (array.shape,
                                                                                 array.dtype)]
    if problems:
        raise ValueError(f"it does not fit this model: {'; '.join(problems)}")


def _with_state(model):
    """(name, module) of the modules that hold more than arrays, under PyTorch's method names."""
    for i, module in enumerate(model.modules()):
        if hasattr(module, "get_extra_state"):
            yield str(i), module


def _that_remember(callbacks):
    return [callback for callback in callbacks
            if hasattr(callback, "state_dict") and callback.state_dict()]


# --- what JSON cannot hold -----------------------------------------------------------------------

def _packed(value, tensors):
    """`value` with its arrays moved to `tensors`, and dicts with keys other than text as lists."""
    if isinstance(value, np.ndarray):
        name = f"{serialization.MORE}{len(tensors)}"
        tensors[name] = value
        return {"$tensor": name}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value):
            return {key: _packed(item, tensors) for key, item in value.items()}
        return {"$items": [[_packed(key, tensors), _packed(item, tensors)]
                           for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_packed(item, tensors) for item in value]
    return value


def _unpacked(value, tensors):
    """What :func:`_packed` was given."""
    if isinstance(value, list):
        return [_unpacked(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if "$tensor" in value:
        return tensors[value["$tensor"]]
    if "$items" in value:
        return {_unpacked(key, tensors): _unpacked(item, tensors) for key, item in value["$items"]}
    return {key: _unpacked(item, tensors) for key, item in value.items()}
