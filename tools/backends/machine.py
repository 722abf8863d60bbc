"""On what the figures were taken: processor, cores, versions, and how busy it was."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from tools.line.witness import Witness

PACKAGES: Final = ("onnxruntime", "openvino", "tensorrt", "tensorrt-rtx-cu13", "numpy", "opencv-python-headless")
FLAGS: Final = (
    "avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8", "amx_fp16",
    "asimd", "i8mm", "bf16",
)  # fmt: skip
"""Of /proc/cpuinfo: those that decide which precision a processor is quick at."""


def machine() -> dict[str, Any]:
    """`cpu`, `flags`, `cores` (those that this process may use), `governor`, `kernel`, `python` and `packages`."""
    told = Path("/proc/cpuinfo").read_text(errors="replace")
    return {
        "cpu": cpu_name(told),
        "flags": cpu_flags(told),
        "cores": len(os.sched_getaffinity(0)),
        "governor": _governor(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name)) is not None},
    }


def cpu_name(told: str) -> str:
    """The processor's name in the text of /proc/cpuinfo; the architecture's where it says none."""
    for line in told.splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def cpu_flags(told: str) -> list[str]:
    """Those of FLAGS that the text of /proc/cpuinfo names, in their order."""
    for line in told.splitlines():
        if line.startswith(("flags", "Features")):
            there = set(line.partition(":")[2].split())
            return [flag for flag in FLAGS if flag in there]
    return []


@contextmanager
def watched(into: dict[str, Any], *, witness: bool) -> Iterator[None]:
    """Note in `into` the load before and after the block; with `witness` the stalls of the machine as well.

    Where the block is left by an error, all of it is noted all the same.
    """
    into["load_before"] = _load()
    with ExitStack() as owned:
        owned.callback(lambda: into.update(load_after=_load()))
        if witness:
            watch = Witness()
            owned.callback(lambda: into.update(stalls=watch.report([])))
            owned.enter_context(watch)
        yield


def quiet_problem(load: float, cores: int) -> str | None:
    """Why figures of a machine with this load (a minute's mean) are not to be published; None: it was quiet."""
    if load <= 0.5:
        return None
    return f"the machine was busy before the first case: load {load:.2f} on {cores} cores; compare within this run only"


def _load() -> float:
    return round(os.getloadavg()[0], 2)


def _governor() -> str | None:
    file = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    return file.read_text().strip() if file.exists() else None


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
