from collections.abc import Mapping
from typing import Any, overload

from ._types import StrPath
from .layers import Module, Sequential

def save(model: Module, path: StrPath) -> None: ...

# What a file holds is known when it is read: mostly a Sequential, which is what is said here, but
# the result may be assigned to whatever else it is.
@overload
def load(path: StrPath, layers: None = None) -> Sequential | Any: ...
@overload
def load(path: StrPath, layers: Mapping[str, type[Module]]) -> Any: ...
