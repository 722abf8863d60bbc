"""Which TensorRT this machine has, and what it said last.

Process: inspection, and the offline builder. Memory: one logger for the life of
the process: TensorRT keeps the first that it is given and calls no other, so it
must outlive every object made with it.

TensorRT reports by return values (None, -1, False); the reason is in the
logger alone. Whoever meets such a value raises `Vendor.refusal`.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections import deque
from dataclasses import dataclass
from typing import Any, Final, Literal

from aoi_daemon.errors import InferenceError, ModelError

Flavour = Literal["tensorrt", "tensorrt_rtx", "tensorrt_lean"]
FLAVOURS: Final[tuple[Flavour, ...]] = ("tensorrt", "tensorrt_rtx", "tensorrt_lean")
"""In this order: a machine that has both was given TensorRT for its GPU. The lean runtime builds nothing."""
_KEPT_ERRORS: Final = 8
STRONGLY_TYPED_SINCE: Final = (10, 12)
"""The first TensorRT whose documentation calls weak typing deprecated; from 11 on it is gone."""

_DTYPES: Final = {
    "FLOAT": "float32", "HALF": "float16", "BF16": "bfloat16", "INT8": "int8", "INT32": "int32", "INT64": "int64",
    "UINT8": "uint8", "BOOL": "bool",
}  # fmt: skip


@dataclass(frozen=True)
class Vendor:
    """The package that was found.

    Attributes:
        api: its module.
        logger: the one of the process.
        host_code: whether its runtimes may run code for the CPU that is in a plan: of a version-compatible plan, whose
            sidecar and SHA-256 were checked, and of no other.
    """

    api: Any
    flavour: Flavour
    logger: Any
    host_code: bool = False

    @property
    def version(self) -> str:
        """As the package says it; a plan belongs to exactly this one."""
        return str(self.api.__version__)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The version as numbers, to compare."""
        return numbers_of(self.version)

    @property
    def is_rtx(self) -> bool:
        """TensorRT-RTX: compiles on the target, builds with no GPU. By name: RTX 1.4 has the FP16 flag as well."""
        return self.flavour == "tensorrt_rtx"

    @property
    def strongly_typed(self) -> bool:
        """Whether the precision is what the ONNX file says, and nothing else."""
        return self.is_rtx or self.numbers >= STRONGLY_TYPED_SINCE

    def make(self, class_name: str, what: str) -> Any:
        """A Builder or Runtime. Raises ModelError where the library refuses: pybind11 makes a TypeError of that."""
        try:
            made = getattr(self.api, class_name)(self.logger)
        except TypeError as error:
            raise self.refusal(what) from error
        if self.host_code and class_name == "Runtime":
            made.engine_host_code_allowed = True
        return made

    def refusal(self, what: str, kind: type[InferenceError] = ModelError) -> InferenceError:
        """The error to raise for `what`, with what TensorRT logged about it; the log is emptied."""
        said = "; ".join(self.logger.take()) or "it gave no reason"
        return kind(f"{what}: {self.flavour} {self.version}: {said}")


@functools.cache
def load_vendor() -> Vendor:
    """The TensorRT of this machine: `tensorrt`, else `tensorrt_rtx`, else `tensorrt_lean`.

    Raises:
        ModelError: none can be imported; says why, and how to install one.
    """
    reasons = []
    for flavour in FLAVOURS:
        try:
            return vendor_of(importlib.import_module(flavour), flavour)
        except (ImportError, OSError) as error:  # OSError: the package is there, a library of it is not
            reasons.append(f"{flavour}: {error}")
    raise ModelError(
        f"there is no TensorRT ({'; '.join(reasons)}); install aoi-daemon[gpu], or aoi-daemon[rtx] for TensorRT-RTX"
    )


def vendor_of(api: Any, flavour: Flavour) -> Vendor:
    """A vendor for the module `api`."""
    return Vendor(api, flavour, _make_logger(api))


def numbers_of(version: str) -> tuple[int, ...]:
    """A version as numbers, to compare: 10.3.0 is (10, 3, 0)."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


def dtype_name(dtype: Any) -> str:
    """The name that numpy has for a TensorRT DataType; TensorRT's own where it has none.

    Not `trt.nptype`: that of 8.6 asks numpy for `np.bool`, which 1.24 to 1.26 do not have.
    """
    return _DTYPES.get(dtype.name, str(dtype.name).lower())


def _make_logger(api: Any) -> Any:
    class Logger(api.ILogger):  # type: ignore[misc]  # the base is only known at run time
        """Keeps the last errors. Called from TensorRT's threads as well; must not raise."""

        def __init__(self) -> None:
            super().__init__()
            self._errors: deque[str] = deque(maxlen=_KEPT_ERRORS)

        def log(self, severity: Any, message: str) -> None:
            if severity.name in ("ERROR", "INTERNAL_ERROR"):
                self._errors.append(message.strip())

        def take(self) -> list[str]:
            """The errors since the last call, oldest first."""
            errors = list(dict.fromkeys(self._errors))
            self._errors.clear()
            return errors

    return Logger()
