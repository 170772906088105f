from typing import Any, Generic, Literal, overload, type_check_only

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypeVar

from ._types import FloatArray, Int, Number, Numbers, Reduction

# What `forward` returns: every loss in an array with the reduction "none", else a float.
_Value = TypeVar("_Value", bound=float | FloatArray, default=float)

class Loss:
    classifies: bool
    reduction: Reduction
    def forward(self, prediction: NDArray[Any], target: NDArray[Any]) -> float | Any: ...
    def backward(self) -> FloatArray: ...
    def __call__(self, prediction: Numbers, target: Numbers) -> float | Any: ...
    def check_targets(self, target: Any, output_shape: tuple[int, ...], dtype: np.dtype[Any],
                      name: str = "target") -> NDArray[Any]: ...
    def totals(self, value: float, target: NDArray[Any]) -> tuple[float, float]: ...
    def score(self, prediction: NDArray[Any], target: NDArray[Any]) -> tuple[int, int]: ...
    def recall(self) -> Any: ...

@type_check_only
class _Loss(Loss, Generic[_Value]):
    def forward(self, prediction: Numbers, target: Numbers) -> _Value: ...
    def __call__(self, prediction: Numbers, target: Numbers) -> _Value: ...

class CrossEntropyLoss(_Loss[_Value]):
    @overload
    def __init__(self: CrossEntropyLoss[float], weight: Numbers | None = None,
                 ignore_index: Int = -100, reduction: Literal["mean", "sum"] = "mean",
                 label_smoothing: Number = 0.0) -> None: ...
    @overload
    def __init__(self: CrossEntropyLoss[FloatArray], weight: Numbers | None = None,
                 ignore_index: Int = -100, *, reduction: Literal["none"],
                 label_smoothing: Number = 0.0) -> None: ...
    @overload
    def __init__(self: CrossEntropyLoss[Any], weight: Numbers | None = None,
                 ignore_index: Int = -100, reduction: Reduction = "mean",
                 label_smoothing: Number = 0.0) -> None: ...

class MSELoss(_Loss[_Value]):
    @overload
    def __init__(self: MSELoss[float], reduction: Literal["mean", "sum"] = "mean") -> None: ...
    @overload
    def __init__(self: MSELoss[FloatArray], reduction: Literal["none"]) -> None: ...
    @overload
    def __init__(self: MSELoss[Any], reduction: Reduction = "mean") -> None: ...

class L1Loss(_Loss[_Value]):
    @overload
    def __init__(self: L1Loss[float], reduction: Literal["mean", "sum"] = "mean") -> None: ...
    @overload
    def __init__(self: L1Loss[FloatArray], reduction: Literal["none"]) -> None: ...
    @overload
    def __init__(self: L1Loss[Any], reduction: Reduction = "mean") -> None: ...

class HuberLoss(_Loss[_Value]):
    @overload
    def __init__(self: HuberLoss[float], reduction: Literal["mean", "sum"] = "mean",
                 delta: Number = 1.0) -> None: ...
    @overload
    def __init__(self: HuberLoss[FloatArray], reduction: Literal["none"],
                 delta: Number = 1.0) -> None: ...
    @overload
    def __init__(self: HuberLoss[Any], reduction: Reduction = "mean",
                 delta: Number = 1.0) -> None: ...

class BCEWithLogitsLoss(_Loss[_Value]):
    weight: NDArray[np.float64] | None
    pos_weight: NDArray[np.float64] | None
    @overload
    def __init__(self: BCEWithLogitsLoss[float], weight: Numbers | None = None,
                 reduction: Literal["mean", "sum"] = "mean",
                 pos_weight: Numbers | None = None) -> None: ...
    @overload
    def __init__(self: BCEWithLogitsLoss[FloatArray], weight: Numbers | None = None, *,
                 reduction: Literal["none"], pos_weight: Numbers | None = None) -> None: ...
    @overload
    def __init__(self: BCEWithLogitsLoss[Any], weight: Numbers | None = None,
                 reduction: Reduction = "mean", pos_weight: Numbers | None = None) -> None: ...
