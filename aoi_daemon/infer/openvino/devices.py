"""Which devices OpenVINO finds here, and which precisions each runs.

Process: one of its own, which ends with the answer. To ask loads the driver of each Intel GPU and NPU: one that hangs
or crashes must not take inspection with it.
"""

from __future__ import annotations

import importlib.util
from typing import Final

INSTALL: Final = "not installed: pip install 'aoi-daemon[openvino]'"
_PRECISIONS: Final = {"fp32": "FP32", "bf16": "BF16", "fp16": "FP16", "int8": "INT8"}


def installed() -> bool:
    """Whether the package is there; it is not loaded."""
    return importlib.util.find_spec("openvino") is not None


def devices() -> dict[str, list[str]]:
    """By device as line.toml names it (`cpu`, `gpu.1`): the precisions that it does not emulate.

    Raises:
        ImportError, RuntimeError: OpenVINO cannot be loaded, or does not say.
    """
    import openvino  # noqa: PLC0415

    core = openvino.Core()
    found = {}
    for device in core.available_devices:
        can = core.get_property(device, "OPTIMIZATION_CAPABILITIES")
        found[device.lower()] = [name for name, word in _PRECISIONS.items() if word in can or name == "fp32"]
    return found
