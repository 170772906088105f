from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, type_check_only

from .._types import Int, Number, StrPath
from ..history import History
from ..schedules import Schedule
from ..trainer import Trainer

__all__ = ["BestCheckpoint", "CSVLog", "Callback", "Checkpoint", "EarlyStopping", "FitState",
           "JSONLinesLog", "LivePlot", "ProgressBar", "ProgressLines", "TensorBoard", "TimeLimit"]

_Mode: TypeAlias = Literal["min", "max"]

class FitState:
    epochs: int
    batches: int | None
    epoch: int
    batch: int
    loss: float
    accuracy: float | None
    history: History
    records: Sequence[str]
    stop: bool
    interrupted: bool
    resumed: bool
    images: int
    sums: list[float]
    complete: bool
    number: int
    random: dict[str, Any] | None
    schedule: Schedule | None
    callbacks: Sequence[Callback]
    setup: dict[str, Any] | None
    def __init__(self, epochs: int, batches: int | None, history: History | None,
                 records: Sequence[str] = (), schedule: Schedule | None = None,
                 callbacks: Sequence[Callback] = (), setup: dict[str, Any] | None = None
                 ) -> None: ...
    def begin_epoch(self) -> None: ...
    def add(self, images: int, sums: Sequence[float], classifies: bool) -> None: ...

class Callback:
    order: int
    def on_fit_begin(self, trainer: Trainer, state: FitState) -> None: ...
    def on_epoch_begin(self, trainer: Trainer, state: FitState) -> None: ...
    def on_batch_end(self, trainer: Trainer, state: FitState) -> None: ...
    def on_epoch_end(self, trainer: Trainer, state: FitState) -> None: ...
    def on_fit_end(self, trainer: Trainer, state: FitState) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: dict[str, Any]) -> None: ...

class Checkpoint(Callback):
    path: str
    every: int | None
    def __init__(self, path: StrPath, every: Int | None = None) -> None: ...

class BestCheckpoint(Callback):
    path: str
    def __init__(self, path: StrPath, monitor: str = "val_loss", mode: _Mode | None = None
                 ) -> None: ...
    @property
    def best(self) -> float: ...

class EarlyStopping(Callback):
    patience: int
    restore_best_weights: bool
    wait: int
    def __init__(self, monitor: str = "val_loss", patience: Int = 5, min_delta: Number = 0.0,
                 mode: _Mode | None = None, restore_best_weights: bool = False) -> None: ...
    @property
    def best(self) -> float: ...

class TimeLimit(Callback):
    seconds: float
    def __init__(self, seconds: Number) -> None: ...

@type_check_only
class _Log(Callback):
    path: str
    append: bool
    def __init__(self, path: StrPath, append: bool = False) -> None: ...

class JSONLinesLog(_Log): ...
class CSVLog(_Log): ...

class TensorBoard(Callback):
    log_dir: str
    path: str | None
    def __init__(self, log_dir: StrPath = "runs") -> None: ...

class LivePlot(Callback):
    def __init__(self) -> None: ...

class ProgressBar(Callback):
    def __init__(self, tqdm: Any) -> None: ...

class ProgressLines(Callback): ...
