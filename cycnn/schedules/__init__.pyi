from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias, type_check_only

from .._types import Int, Number
from ..history import History
from ..optim import Optimizer

__all__ = ["ConstantLR", "CosineAnnealingLR", "ExponentialLR", "LinearLR", "MultiStepLR",
           "OneCycleLR", "ReduceLROnPlateau", "Schedule", "SequentialLR", "StepLR"]

_Interval: TypeAlias = Literal["batch", "epoch"]
_OneOrEach: TypeAlias = Number | list[float] | tuple[Number, ...]

class Schedule:
    optimizer: Optimizer
    total_steps: int | None
    interval: _Interval
    last_step: int
    def __init__(self, optimizer: Optimizer, total_steps: Int | None = None,
                 interval: _Interval = "batch") -> None: ...
    def set(self, step: int) -> None: ...
    def step(self) -> None: ...
    def get_last_lr(self) -> list[float]: ...
    def after_batch(self) -> None: ...
    def after_epoch(self, history: History) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: dict[str, Any]) -> None: ...

@type_check_only
class _LearningRate(Schedule):
    base_lrs: list[float]
    def lr_at(self, base_lr: float, step: int) -> float: ...

class ConstantLR(_LearningRate):
    factor: float
    total_iters: int
    def __init__(self, optimizer: Optimizer, factor: Number = ..., total_iters: Int = 5,
                 interval: _Interval = "batch") -> None: ...

class LinearLR(_LearningRate):
    start_factor: float
    end_factor: float
    total_iters: int
    def __init__(self, optimizer: Optimizer, start_factor: Number = ..., end_factor: Number = 1.0,
                 total_iters: Int = 5, interval: _Interval = "batch") -> None: ...

class StepLR(_LearningRate):
    step_size: int
    gamma: float
    def __init__(self, optimizer: Optimizer, step_size: Int, gamma: Number = 0.1,
                 interval: _Interval = "batch") -> None: ...

class MultiStepLR(_LearningRate):
    milestones: list[int]
    gamma: float
    def __init__(self, optimizer: Optimizer, milestones: Iterable[Int], gamma: Number = 0.1,
                 interval: _Interval = "batch") -> None: ...

class ExponentialLR(_LearningRate):
    gamma: float
    def __init__(self, optimizer: Optimizer, gamma: Number, interval: _Interval = "batch"
                 ) -> None: ...

class CosineAnnealingLR(_LearningRate):
    T_max: int
    eta_min: float
    def __init__(self, optimizer: Optimizer, T_max: Int, eta_min: Number = 0.0,
                 interval: _Interval = "batch") -> None: ...

class OneCycleLR(Schedule):
    def __init__(self, optimizer: Optimizer, max_lr: _OneOrEach, total_steps: Int | None = None,
                 epochs: Int | None = None, steps_per_epoch: Int | None = None,
                 pct_start: Number = 0.3, anneal_strategy: Literal["cos", "linear"] = "cos",
                 cycle_momentum: bool = True, base_momentum: _OneOrEach = 0.85,
                 max_momentum: _OneOrEach = 0.95, div_factor: Number = 25.0,
                 final_div_factor: Number = 1e4, three_phase: bool = False,
                 interval: _Interval = "batch") -> None: ...

class SequentialLR(Schedule):
    schedulers: list[Schedule]
    milestones: list[int]
    def __init__(self, optimizer: Optimizer, schedulers: Sequence[Schedule] | Schedule,
                 milestones: Iterable[Int], interval: _Interval = "batch") -> None: ...

class ReduceLROnPlateau(Schedule):
    mode: Literal["min", "max"]
    factor: float
    patience: int
    threshold: float
    threshold_mode: Literal["rel", "abs"]
    cooldown: int
    min_lr: float | list[float]
    eps: float
    monitor: str | None
    best: float
    num_bad_epochs: int
    cooldown_counter: int
    def __init__(self, optimizer: Optimizer, mode: Literal["min", "max"] = "min",
                 factor: Number = 0.1, patience: Int = 10, threshold: Number = 1e-4,
                 threshold_mode: Literal["rel", "abs"] = "rel", cooldown: Int = 0,
                 min_lr: _OneOrEach = 0.0, eps: Number = 1e-8, monitor: str | None = None
                 ) -> None: ...
    # Needs the metric, as PyTorch's does, where other schedules need nothing.
    def step(self, metrics: Number) -> None: ...  # type: ignore[override]
