"""A whole model in one file: its weights as safetensors, all else as JSON in the file's metadata.

Nothing in a file is run: it names layers, their arguments and numbers. The metadata has one entry,
``"cycnn"``, a JSON object with ``version``, ``architecture``, ``normalization``, ``classes`` and
``input_shape``. A layer is ``{"class": "ReLU", "config": {}}``, the arguments of its constructor; a
Sequential is ``{"class": "Sequential", "layers": [...]}``, and so is a Concat. Arguments that are
modules stand apart: ``{"class": "Residual", "config": {}, "modules": {"body": ...}}``.
"""

import contextlib
import os

import numpy as np

from . import layers as own_layers
from ._extras import require
from .layers import (BatchNorm1d, BatchNorm2d, Concat, Conv2d, ConvTranspose2d, GroupNorm, Linear,
                     Module, Sequential)
from .normalization import Normalization

_VERSION = 1
#: How the names of tensors begin that are not the model's: those of a checkpoint.
MORE = "checkpoint/"
# The types of arrays, those of buffers, as the format calls them.
_KINDS = ("F16", "F32", "F64", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64", "BOOL")

# Modules whose arguments are other modules, in a row.
_ROWS = (Sequential, Concat)
# Those whose first numbers come from a generator, and those that have so many of 1 and 0.
_RANDOM = (Conv2d, ConvTranspose2d, Linear)
_CHANNELS = {BatchNorm1d: "num_features", BatchNorm2d: "num_features", GroupNorm: "num_channels"}


def save(model, path):
    """Save a model: its layers, weights, buffers, normalization, class names and input shape.

    The file is written under another name in the same folder and then renamed, so a model that was
    there is whole until the new one is.

    Parameters
    ----------
    model : cycnn.Module
        Layers of your own need a method `config`.
    path : str or path-like
        Usually ending in ``.safetensors``.

    Raises
    ------
    ImportError
        If safetensors is not installed.
    """
    safetensors = require("safetensors.numpy", extra="save", purpose="saving a model")
    metadata = {"cycnn": describe(model)}
    write(path, safetensors.save(model.state_dict(), metadata))


def describe(model):
    """All of a model but its arrays, as the JSON text that its file holds."""
    if not isinstance(model, Module):
        raise TypeError(f"model must be a Module, got {type(model).__name__}")
    scale = model.normalization
    content = {
        "version": _VERSION,
        "architecture": _describe(model),
        "normalization": scale and {"mean": scale.mean.tolist(), "std": scale.std.tolist()},
        "classes": model.classes,
        "input_shape": model.input_shape,
    }
    try:
        import json                             # takes a third as long to import as cycnn
        return json.dumps(content, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise TypeError(f"what config() returns, and the classes, must go into JSON: {error}"
                        ) from error


def load(path, layers=None):
    """Load a model that :func:`save` has written.

    Parameters
    ----------
    path : str or path-like
    layers : dict of str to class, optional
        The layers in it that are not cycnn's, by the names of their classes.

    Returns
    -------
    cycnn.Module
        In evaluation mode: ready to predict. Training sets training mode by itself.

    Raises
    ------
    FileNotFoundError
    ValueError
        If it is no safetensors file or none of cycnn's, is cut short, names an unknown layer, or
        has missing, unexpected or misshapen tensors. The message names the file.
    ImportError
        If safetensors is not installed.
    """
    path = os.fspath(path)
    metadata, tensors = read(path)
    try:
        content = _description(metadata, tensors)
        model = _rebuild(content, tensors, {**_OWN_LAYERS, **(layers or {})})
    except OSError:
        raise
    except RecursionError:
        raise ValueError(f"{path}: layers are nested too deeply") from None
    except Exception as error:
        if isinstance(error, (ValueError, TypeError)):
            raise ValueError(f"{path}: {error}") from error
        raise
    return model.eval()


# --- writing -----------------------------------------------------------------------------------

def _describe(module):
    name = type(module).__name__
    if type(module) in _ROWS:
        return {"class": name, "layers": [_describe(layer) for layer in module]}
    config = module.config()
    modules = {key: _describe(value) for key, value in config.items() if isinstance(value, Module)}
    config = {key: value for key, value in config.items() if key not in modules}
    return {"class": name, "config": config, **({"modules": modules} if modules else {})}


def check_same(before, now, place=""):
    """Raise if the architecture `now` is not the one of a file; `place` is what to say of where.

    Arguments that only one of them has are those of another version of the layer's code.
    """
    config, own = before.get("config", {}), now.get("config", {})
    differing = [key for key in config if key in own and config[key] != own[key]]
    if before["class"] != now["class"] or differing:
        raise ValueError(f"it is of a network with {_shown(before, differing)}{place}, this one "
                         f"has {_shown(now, differing)}")
    inner, own_inner = _inner(before), _inner(now)
    for name in [name for name in inner if name in own_inner]:
        check_same(inner[name], own_inner[name], f"{place or ' at '}{place and '.'}{name}")
    if inner.keys() != own_inner.keys():
        raise ValueError(f"it is of a network with {len(inner)} layers{place}, this one has "
                         f"{len(own_inner)}")


def _inner(description):
    """The descriptions of the modules within, by name."""
    layers = {str(number): layer for number, layer in enumerate(description.get("layers", ()))}
    return {**layers, **description.get("modules", {})}


def _shown(description, names):
    arguments = ", ".join(f"{name}={description['config'][name]!r}" for name in names)
    return f"{description['class']}({arguments})"


def write(path, content, suffix=None):
    """Write a file whole or not at all.

    Under `suffix` until it is, by default one that nobody has; a process that is killed leaves that
    behind, and the next write under the same suffix takes its place.
    """
    target = os.path.realpath(path)             # through a symbolic link, not over it
    temporary = target + (suffix or f".{os.urandom(4).hex()}.tmp")
    try:
        with open(temporary, "wb" if suffix else "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
        _flush_folder(os.path.dirname(target))
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise


def _flush_folder(folder):
    """Let the new name of a file survive a power cut, where the system can promise that."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# --- reading -----------------------------------------------------------------------------------

_OWN_LAYERS = {name: getattr(own_layers, name) for name in own_layers.__all__
               if name not in ("Module", "Parameter")}


def read(path):
    """The metadata, a dict of texts, and the tensors of a safetensors file.

    Raises
    ------
    FileNotFoundError
    ValueError
        If it is no safetensors file, or not a whole one. The message names the file.
    ImportError
        If safetensors is not installed.
    """
    path = os.fspath(path)
    safetensors = require("safetensors", extra="save", purpose="loading a model")
    if not os.path.exists(path):
        raise FileNotFoundError(f"there is no model file {path}")
    if os.path.isdir(path):
        raise IsADirectoryError(f"{path} is a folder, not a model file")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            return file.metadata() or {}, {name: _tensor(file, name) for name in file.keys()}
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path}: this is not a whole safetensors file ({error})") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _tensor(file, name):
    kind = file.get_slice(name).get_dtype()
    if kind not in _KINDS and not name.startswith(MORE):
        raise ValueError(f"{name} must be of one of the types {', '.join(_KINDS)}, got {kind}")
    return file.get_tensor(name)


def _description(metadata, tensors):
    """The description of a model; what `tensors` holds beside it is taken out."""
    if "cycnn" not in metadata:
        raise ValueError("this safetensors file was not written by cycnn.save; weights alone go "
                         "into a model of yours by load_state_dict")
    for name in [name for name in tensors if name.startswith(MORE)]:
        del tensors[name]
    try:
        import json
        return json.loads(metadata["cycnn"])
    except ValueError as error:
        raise ValueError(f"its description is not valid JSON ({error})") from error


class _NoValues:
    """Stands in for a generator of initial weights, which the file's replace.

    It gives few more numbers than the file holds, so that a description of enormous layers cannot
    fill the memory.
    """

    # Not many enough to harm, but a file that only lacks a tensor is told which.
    SPARE = 1 << 24

    def __init__(self, numbers):
        self.left = numbers + self.SPARE

    def spend(self, numbers):
        self.left -= numbers
        if self.left < 0:
            raise ValueError("the layers need more numbers than the file holds")

    def random(self, shape, dtype):
        self.spend(np.prod(shape, dtype=object))
        return np.zeros(shape, dtype)


def _rebuild(content, tensors, layers):
    """The model that `content` describes, with the numbers of `tensors`."""
    _expect(content, dict, "its description")
    if content.get("version") != _VERSION:
        raise ValueError(f"its version is {content.get('version')!r}, this cycnn reads "
                         f"version {_VERSION}")
    rng = _NoValues(sum(array.size for array in tensors.values()))
    model = _build(content.get("architecture"), layers, rng)
    for name, array in model.state_dict().items():
        if name in tensors and tensors[name].dtype != array.dtype:
            raise ValueError(f"{name} must be {array.dtype}, got {tensors[name].dtype}")
    model.load_state_dict(tensors)

    scale, classes, shape = (content.get(key) for key in ("normalization", "classes",
                                                          "input_shape"))
    if scale is not None:
        _expect(scale, dict, "normalization")
        model.normalization = Normalization(scale.get("mean"), scale.get("std"))
    if classes is not None:
        for name in _expect(classes, list, "classes"):
            _expect(name, str, "a class name")
        model.classes = classes
    if shape is not None:
        for size in _expect(shape, list, "input_shape"):
            _expect(size, int, "a size in input_shape")
        model.input_shape = tuple(shape)
    return model


def _build(description, layers, rng):
    """The layer, or the Sequential of layers, that a description stands for."""
    _expect(description, dict, "a layer")
    name = _expect(description.get("class"), str, "the class of a layer")
    if name not in layers:
        raise ValueError(f"the layer {name} is not one of cycnn's: give its class by "
                         f"load(path, layers={{{name!r}: {name}}})")
    if layers[name] in _ROWS:
        inner = _expect(description.get("layers"), list, f"the layers of a {name}")
        return layers[name](*[_build(layer, layers, rng) for layer in inner])
    config = _expect(description.get("config"), dict, f"the config of {name}")
    modules = _expect(description.get("modules", {}), dict, f"the modules of {name}")
    config = {**config, **{key: _build(value, layers, rng) for key, value in modules.items()}}
    if layers[name] in _RANDOM:
        return layers[name](**config, rng=rng)
    if isinstance(channels := config.get(_CHANNELS.get(layers[name])), int):
        rng.spend(4 * channels)
    return layers[name](**config)


def _expect(value, kind, name):
    if not isinstance(value, kind):
        raise ValueError(f"{name} must be a JSON {_JSON_NAMES[kind]}, got {type(value).__name__}")
    return value


_JSON_NAMES = {dict: "object", list: "array", str: "string", int: "integer"}
