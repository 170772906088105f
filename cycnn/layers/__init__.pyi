from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, Literal, Self, SupportsIndex, overload, type_check_only

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypeVar

from .._types import (FloatArray, FloatDtype, FloatT, Images, Int, Number, NumberPair, Numbers,
                      Pair, Rng, Shape, View)
from ..normalization import Normalization

__all__ = ["AdaptiveAvgPool2d", "AvgPool2d", "BatchNorm1d", "BatchNorm2d", "Concat", "Conv2d",
           "ConvTranspose2d", "Dropout", "Dropout2d", "ELU", "Flatten", "GELU", "GlobalAvgPool2d",
           "GroupNorm", "LeakyReLU", "Linear", "MaxPool2d", "Module", "Parameter", "ReLU",
           "Residual", "Sequential", "SiLU", "Sigmoid", "Softmax", "Tanh", "Upsample", "ZeroPad2d"]

# What a Parameter holds: known where it is made from an array of a known type, else either.
_Of = TypeVar("_Of", bound=np.float32 | np.float64, default=np.floating[Any], covariant=True)

class Parameter(Generic[_Of]):
    data: NDArray[_Of]
    pending: Any
    @overload
    def __init__(self, data: NDArray[_Of]) -> None: ...
    @overload
    def __init__(self: Parameter[np.floating[Any]], data: Numbers) -> None: ...
    # Any: None before the first `backward`, and an array whenever somebody has a use for it.
    @property
    def grad(self) -> NDArray[_Of] | Any: ...
    @grad.setter
    def grad(self, grad: NDArray[Any] | None) -> None: ...
    @property
    def requires_grad(self) -> bool: ...
    @requires_grad.setter
    def requires_grad(self, value: bool) -> None: ...
    def set_grad(self, grad: NDArray[Any], accumulate: bool = False) -> None: ...
    def set_pending(self, pending: Any, accumulate: bool = False) -> None: ...

class Module:
    training: bool
    normalization: Normalization | None
    classes: list[str] | None
    input_shape: tuple[int, ...] | None
    # A layer of one's own may take arrays of one type alone, and says `| None` for dx. Any: that is
    # None for who does not want it (`input_gradient`), and an array for who does.
    def forward(self, x: NDArray[Any]) -> FloatArray: ...
    def backward(self, dy: NDArray[Any], input_gradient: bool = True,
                 accumulate: bool = False) -> FloatArray | Any: ...
    @overload
    def __call__(self, x: NDArray[FloatT]) -> NDArray[FloatT]: ...
    @overload
    def __call__(self, x: Numbers) -> FloatArray: ...
    def remember(self, value: object) -> None: ...
    def recall(self) -> Any: ...
    def named_children(self) -> Iterator[tuple[str, Module]]: ...
    def modules(self) -> Iterator[Module]: ...
    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]: ...
    def parameters(self) -> Iterator[Parameter]: ...
    def register_buffer(self, name: str, array: NDArray[Any] | None) -> None: ...
    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, NDArray[Any]]]: ...
    def buffers(self) -> Iterator[NDArray[Any]]: ...
    def state_dict(self) -> dict[str, NDArray[Any]]: ...
    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> None: ...
    def train(self, mode: bool = True) -> Self: ...
    def eval(self) -> Self: ...
    def predict_proba(self, images: Images, batch_size: Int = 256,
                      views: Iterable[View] | None = None) -> FloatArray: ...
    def predict(self, images: Images, batch_size: Int = 256,
                views: Iterable[View] | None = None) -> NDArray[np.int64]: ...
    def gives_probabilities(self) -> bool: ...
    def multiply_adds(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> int: ...
    def summary(self, input_shape: Shape | None = None) -> str: ...
    def config(self) -> dict[str, Any]: ...
    def extra_repr(self) -> str: ...

# --- modules made of modules -------------------------------------------------------------------

class Sequential(Module):
    layers: tuple[Module, ...]
    def __init__(self, *layers: Module) -> None: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Module]: ...
    # Any: which layer stands there is known to who made the network, such as a convolution.
    @overload
    def __getitem__(self, index: SupportsIndex) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...

class Residual(Module):
    body: Module
    shortcut: Module | None
    def __init__(self, body: Module, shortcut: Module | None = None) -> None: ...

class Concat(Module):
    layers: tuple[Module, ...]
    def __init__(self, *branches: Module) -> None: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Module]: ...
    @overload
    def __getitem__(self, index: SupportsIndex) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Module, ...]: ...

# --- layers that learn -------------------------------------------------------------------------

# A weight, a bias or a buffer of type `X | Any` is None where the layer was made without it.

class Conv2d(Module):
    in_channels: int
    out_channels: int
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] | Literal["same", "valid"]
    dilation: tuple[int, int]
    groups: int
    untied_bias: tuple[int, int] | None
    weight: Parameter
    bias: Parameter | Any
    def __init__(self, in_channels: Int, out_channels: Int, kernel_size: Pair, stride: Pair = 1,
                 padding: Pair | Literal["same", "valid"] = 0, dilation: Pair = 1, groups: Int = 1,
                 bias: bool = True, dtype: FloatDtype = ..., rng: Rng = None,
                 untied_bias: Pair | None = None) -> None: ...

class ConvTranspose2d(Module):
    in_channels: int
    out_channels: int
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    output_padding: tuple[int, int]
    groups: int
    dilation: tuple[int, int]
    weight: Parameter
    bias: Parameter | Any
    def __init__(self, in_channels: Int, out_channels: Int, kernel_size: Pair, stride: Pair = 1,
                 padding: Pair = 0, output_padding: Pair = 0, groups: Int = 1, bias: bool = True,
                 dilation: Pair = 1, dtype: FloatDtype = ..., rng: Rng = None) -> None: ...

class Linear(Module):
    in_features: int
    out_features: int
    weight: Parameter
    bias: Parameter | Any
    def __init__(self, in_features: Int, out_features: Int, bias: bool = True,
                 dtype: FloatDtype = ..., rng: Rng = None) -> None: ...

@type_check_only
class _BatchNorm(Module):
    num_features: int
    eps: float
    momentum: float | None
    affine: bool
    track_running_stats: bool
    weight: Parameter | Any
    bias: Parameter | Any
    running_mean: FloatArray | Any
    running_var: FloatArray | Any
    num_batches_tracked: NDArray[np.int64] | Any
    def __init__(self, num_features: Int, eps: Number = 1e-5, momentum: Number | None = 0.1,
                 affine: bool = True, track_running_stats: bool = True, dtype: FloatDtype = ...,
                 bias: bool = True) -> None: ...
    def uses_running_stats(self) -> bool: ...
    def reset_running_stats(self) -> None: ...

class BatchNorm1d(_BatchNorm): ...
class BatchNorm2d(_BatchNorm): ...

class GroupNorm(Module):
    num_groups: int
    num_channels: int
    eps: float
    affine: bool
    weight: Parameter | Any
    bias: Parameter | Any
    def __init__(self, num_groups: Int, num_channels: Int, eps: Number = 1e-5, affine: bool = True,
                 dtype: FloatDtype = ..., bias: bool = True) -> None: ...

# --- layers that do not ------------------------------------------------------------------------

class MaxPool2d(Module):
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    ceil_mode: bool
    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0,
                 dilation: Pair = 1, ceil_mode: bool = False) -> None: ...

class AvgPool2d(Module):
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    ceil_mode: bool
    count_include_pad: bool
    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0,
                 ceil_mode: bool = False, count_include_pad: bool = True) -> None: ...

class AdaptiveAvgPool2d(Module):
    output_size: Pair | tuple[Int | None, ...] | None
    def __init__(self, output_size: Pair | tuple[Int | None, ...] | list[int | None] | None
                 ) -> None: ...

class GlobalAvgPool2d(Module): ...
class Flatten(Module): ...

class ZeroPad2d(Module):
    padding: tuple[int, ...]
    def __init__(self, padding: Int | tuple[Int, ...] | list[int]) -> None: ...

class Upsample(Module):
    size: Pair | None
    scale_factor: NumberPair | None
    mode: Literal["nearest"]
    @overload
    def __init__(self, size: Pair, scale_factor: None = None,
                 mode: Literal["nearest"] = "nearest") -> None: ...
    @overload
    def __init__(self, size: None = None, *, scale_factor: NumberPair,
                 mode: Literal["nearest"] = "nearest") -> None: ...
    @overload
    def __init__(self, size: None, scale_factor: NumberPair,
                 mode: Literal["nearest"] = "nearest") -> None: ...

class ReLU(Module): ...
class Tanh(Module): ...
class Sigmoid(Module): ...
class SiLU(Module): ...

class LeakyReLU(Module):
    negative_slope: float
    def __init__(self, negative_slope: Number = 0.01) -> None: ...

class ELU(Module):
    alpha: float
    def __init__(self, alpha: Number = 1.0) -> None: ...

class GELU(Module):
    approximate: Literal["none", "tanh"]
    def __init__(self, approximate: Literal["none", "tanh"] = "none") -> None: ...

class Softmax(Module):
    axis: int
    def __init__(self, axis: Int = -1) -> None: ...

class Dropout(Module):
    p: float
    def __init__(self, p: Number = 0.5) -> None: ...

class Dropout2d(Module):
    p: float
    def __init__(self, p: Number = 0.5) -> None: ...
