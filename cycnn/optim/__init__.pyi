from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal, TypeAlias

from .._types import FloatArray, Number
from ..layers import Module, Parameter

__all__ = ["Adam", "AdamW", "ExponentialMovingAverage", "Optimizer", "RMSprop", "SGD",
           "clip_grad_norm_", "clip_grad_value_"]

# Parameters, or groups of them: {"params": parameters, and what is to differ from the defaults}.
_Parameters: TypeAlias = Iterable[Parameter | Mapping[str, Any]]
_Betas: TypeAlias = tuple[Number, Number] | list[float]

class Optimizer:
    defaults: dict[str, Any]
    param_groups: list[dict[str, Any]]
    lr: float
    def __init__(self, parameters: _Parameters, defaults: dict[str, Any]) -> None: ...
    @property
    def parameters(self) -> list[Parameter]: ...
    def add_param_group(self, param_group: dict[str, Any]) -> None: ...
    def step(self) -> None: ...
    def zero_grad(self) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: dict[str, Any]) -> None: ...

class SGD(Optimizer):
    momentum: float
    weight_decay: float
    nesterov: bool
    def __init__(self, parameters: _Parameters, lr: Number, momentum: Number = 0.0,
                 weight_decay: Number = 0.0, nesterov: bool = False) -> None: ...

class Adam(Optimizer):
    betas: tuple[float, float]
    eps: float
    weight_decay: float
    amsgrad: bool
    def __init__(self, parameters: _Parameters, lr: Number = 1e-3, betas: _Betas = (0.9, 0.999),
                 eps: Number = 1e-8, weight_decay: Number = 0.0, amsgrad: bool = False) -> None: ...

class AdamW(Adam):
    def __init__(self, parameters: _Parameters, lr: Number = 1e-3, betas: _Betas = (0.9, 0.999),
                 eps: Number = 1e-8, weight_decay: Number = 1e-2, amsgrad: bool = False
                 ) -> None: ...

class RMSprop(Optimizer):
    alpha: float
    eps: float
    weight_decay: float
    momentum: float
    centered: bool
    def __init__(self, parameters: _Parameters, lr: Number = 1e-2, alpha: Number = 0.99,
                 eps: Number = 1e-8, weight_decay: Number = 0.0, momentum: Number = 0.0,
                 centered: bool = False) -> None: ...

class ExponentialMovingAverage:
    parameters: list[Parameter]
    decay: float
    warmup: bool
    updates: int
    def __init__(self, parameters: Module | Iterable[Parameter], decay: Number = 0.999,
                 warmup: bool = False) -> None: ...
    @property
    def averages(self) -> list[FloatArray]: ...
    def update(self) -> None: ...
    def copy_to(self) -> None: ...
    def swap(self) -> None: ...
    def average_parameters(self) -> AbstractContextManager[None]: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: dict[str, Any]) -> None: ...

def clip_grad_norm_(parameters: Parameter | Iterable[Parameter], max_norm: Number,
                    norm_type: Number | Literal["inf"] = 2.0,
                    error_if_nonfinite: bool = False) -> float: ...
def clip_grad_value_(parameters: Parameter | Iterable[Parameter], clip_value: Number) -> None: ...
