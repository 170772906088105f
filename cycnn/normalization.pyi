from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._types import Numbers, ReadInParts

class Normalization:
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    def __init__(self, mean: Numbers, std: Numbers) -> None: ...
    def __eq__(self, other: object) -> bool: ...
    __hash__: None  # type: ignore[assignment]

def measure(images: NDArray[Any] | ReadInParts) -> Normalization: ...
