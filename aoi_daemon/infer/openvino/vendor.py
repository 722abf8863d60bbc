"""The one place that imports OpenVINO, without what would report its use.

Process: inspection, or a command. `import openvino` loads its model converter for convenience, and with that
`openvino_telemetry`, which sends an event to its maker's web analytics and keeps an id in the home folder. Neither is
needed to run a model, and nothing leaves a plant: both are kept from being loaded, as if they were not installed.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from aoi_daemon.errors import ModelError

_KEPT_OUT: Final = ("openvino_telemetry", "openvino.tools.ovc")
_PLACES: Final = ("Exception from ", "Check '", "Caught exception: Exception from ")
INSTALL: Final = "pip install 'aoi-daemon[openvino]'"
_CORES: Final[list[tuple[Any, Any]]] = []
"""The package, and its core."""


def openvino() -> Any:
    """The package `openvino`.

    Raises:
        ModelError: it is not installed, or does not load here; with the remedy.
    """
    modules: dict[str, Any] = sys.modules
    for name in _KEPT_OUT:
        modules.setdefault(name, None)  # whoever imports it gets an ImportError, which OpenVINO is prepared for
    try:
        import openvino as package  # noqa: PLC0415
    except ImportError as error:
        raise ModelError(
            f"OpenVINO cannot be loaded ({error}): {INSTALL}, or inspection.backend = 'onnx'"
        ) from error
    return package


def core() -> Any:
    """OpenVINO's core: one for the process, and never let go.

    Each gives the thread that makes it a stack of its own for signals, and takes that of the one before back when it
    goes. Where an earlier one went first, that memory is gone: the next signal ends the process, without a word.

    Raises:
        ModelError: as `openvino`.
    """
    package = openvino()
    made = next((made for of, made in _CORES if of is package), None)
    if made is None:
        made = package.Core()
        _CORES.append((package, made))
    return made


def said(error: BaseException) -> str:
    """What an error of OpenVINO's says, in one line: the places in its own source are left out."""
    lines = [line.strip() for line in str(error).splitlines()]
    kept = [line for line in lines if line and not line.startswith(_PLACES)]
    return " ".join(kept) or str(error).strip() or type(error).__name__
