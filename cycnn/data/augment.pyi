from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from numpy.typing import NDArray

from .._types import Fill, Int, Integers, Number, NumberPair, Numbers, Pair
from .draws import Draws

__all__ = ["Augmentation", "CenterCrop", "Compose", "RandomAffine", "RandomCrop", "RandomErasing",
           "RandomHorizontalFlip", "RandomRotation", "RandomShift", "RandomVerticalFlip"]

_Interpolation: TypeAlias = Literal["nearest", "bilinear"]
_Two: TypeAlias = tuple[Number, Number] | list[float]

class Augmentation:
    def apply(self, images: NDArray[Any], draws: Draws) -> NDArray[Any]: ...
    def __call__(self, images: Numbers, indices: Integers | None = None, seed: Int = 0,
                 epoch: Int = 0, samples: Integers | None = None) -> NDArray[Any]: ...

class Compose(Augmentation):
    transforms: list[Augmentation]
    def __init__(self, transforms: Iterable[Augmentation]) -> None: ...

class RandomCrop(Augmentation):
    size: tuple[int, int]
    padding: tuple[int, ...] | None
    pad_if_needed: bool
    fill: float | tuple[float, ...]
    padding_mode: Literal["constant", "edge", "reflect", "symmetric"]
    def __init__(self, size: Pair, padding: Pair | None = None, pad_if_needed: bool = False,
                 fill: Fill = 0,
                 padding_mode: Literal["constant", "edge", "reflect", "symmetric"] = "constant"
                 ) -> None: ...

class CenterCrop(Augmentation):
    size: tuple[int, int]
    def __init__(self, size: Pair) -> None: ...

class RandomShift(Augmentation):
    pixels: tuple[int, int]
    fill: float | tuple[float, ...]
    def __init__(self, pixels: Pair, fill: Fill = 0) -> None: ...

class _RandomFlip(Augmentation):
    p: float
    def __init__(self, p: Number = 0.5) -> None: ...

class RandomHorizontalFlip(_RandomFlip): ...
class RandomVerticalFlip(_RandomFlip): ...

class RandomAffine(Augmentation):
    degrees: tuple[float, float]
    translate: tuple[float, float] | None
    scale: tuple[float, float] | None
    shear: tuple[float, ...] | None
    interpolation: _Interpolation
    fill: float | tuple[float, ...]
    def __init__(self, degrees: NumberPair, translate: _Two | None = None,
                 scale: _Two | None = None, shear: NumberPair | None = None,
                 interpolation: _Interpolation = "nearest", fill: Fill = 0) -> None: ...

class RandomRotation(RandomAffine):
    def __init__(self, degrees: NumberPair, interpolation: _Interpolation = "nearest",
                 fill: Fill = 0) -> None: ...

class RandomErasing(Augmentation):
    p: float
    scale: tuple[float, float]
    ratio: tuple[float, float]
    value: float | tuple[float, ...] | Literal["random"]
    def __init__(self, p: Number = 0.5, scale: _Two = (0.02, 0.33), ratio: _Two = (0.3, 3.3),
                 value: Fill | Literal["random"] = 0) -> None: ...
