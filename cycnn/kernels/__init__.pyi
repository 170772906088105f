from collections.abc import Mapping, Sequence
from typing import Literal

def choose_isa(words: Mapping[str, int] | None, available: Sequence[str],
               wanted: str | None = None) -> str: ...

libraries: dict[str, str]
isa: Literal["baseline", "avx2", "avx512"]
