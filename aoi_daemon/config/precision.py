"""The names of precisions, from the most exact on. Loads nothing: command lines are made of them."""

from __future__ import annotations

from typing import Final, Literal, get_args

Precision = Literal["fp32", "bf16", "fp16", "int8"]
PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)
