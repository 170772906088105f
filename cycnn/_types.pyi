"""What the stubs have in common; there is no such module at run time.

Arrays go in as anything that NumPy makes an array of real numbers of. They come out as
`FloatArray`, float32 or float64; a function of `cycnn.functional` whose result has the type of its
argument says so by an overload with `FloatT`.
"""

from collections.abc import Callable, Iterable
from os import PathLike
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy._typing import _ArrayLikeFloat_co, _ArrayLikeInt_co
from numpy.typing import NDArray
from typing_extensions import TypeVar

FloatT = TypeVar("FloatT", bound=np.float32 | np.float64)

FloatArray: TypeAlias = NDArray[np.floating[Any]]
Numbers: TypeAlias = _ArrayLikeFloat_co         # numbers, nested sequences and arrays of them
Integers: TypeAlias = _ArrayLikeInt_co

Int: TypeAlias = int | np.integer[Any]
Number: TypeAlias = float | np.floating[Any] | np.integer[Any]
# One for both sides of an image, or (vertical, horizontal). A tuple may be of any length here: that
# of x.shape[2:] is known at run time alone.
Pair: TypeAlias = Int | tuple[Int, ...] | list[int]
NumberPair: TypeAlias = Number | tuple[Number, ...] | list[float] | list[int]
Shape: TypeAlias = tuple[Int, ...] | list[int]
Fill: TypeAlias = Number | tuple[Number, ...] | list[float] | list[int] | NDArray[Any]
StrPath: TypeAlias = str | PathLike[str]

Reduction: TypeAlias = Literal["mean", "sum", "none"]
Algorithm: TypeAlias = Literal["auto", "direct", "winograd"]
FloatDtype: TypeAlias = (type[np.float32] | type[np.float64] | type[float] | np.dtype[np.float32]
                         | np.dtype[np.float64]
                         | Literal["float32", "float64", "single", "double", "f4", "f8"])
Rng: TypeAlias = np.random.Generator | Int | None

# --- data ----------------------------------------------------------------------------------------

class HasImages(Protocol):
    """A data set, of cycnn or of somebody else."""

    @property
    def images(self) -> Any: ...
    @property
    def labels(self) -> Any: ...

class ReadInParts(Protocol):
    """What is sliced like an array (N, C, H, W), such as an h5py data set."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> Any: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: Any, /) -> Any: ...

_Batch: TypeAlias = tuple[Any, Any] | list[Any]
# What `Trainer.fit` is fed with: a data set, a pair (images, labels), something that gives such
# pairs, or a function that makes that.
Data: TypeAlias = (HasImages | tuple[Numbers | ReadInParts, Numbers] | list[Any] | Iterable[_Batch]
                   | Callable[[], Iterable[_Batch]] | Callable[[int], Iterable[_Batch]])
# What is predicted: images at once, or one after the other.
Images: TypeAlias = (Numbers | ReadInParts | HasImages | Iterable[Numbers]
                     | Callable[[], Iterable[Numbers]])
View: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]
Augment: TypeAlias = Callable[[NDArray[Any], NDArray[Any], int, int, NDArray[Any]], NDArray[Any]]
