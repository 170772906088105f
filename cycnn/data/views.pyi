from typing import Any

from numpy.typing import NDArray

from .._types import Fill, Int

__all__ = ["Shift", "horizontal_flip", "identity", "vertical_flip"]

def identity(images: NDArray[Any]) -> NDArray[Any]: ...
def horizontal_flip(images: NDArray[Any]) -> NDArray[Any]: ...
def vertical_flip(images: NDArray[Any]) -> NDArray[Any]: ...

class Shift:
    down: int
    right: int
    fill: Fill
    def __init__(self, down: Int, right: Int, fill: Fill = 0) -> None: ...
    def __call__(self, images: NDArray[Any]) -> NDArray[Any]: ...
