"""TensorRT-RTX, which the extra `dev` installs on x86-64 Linux; elsewhere it has no wheels, and only there tests skip."""

import importlib
import platform
import sys

import pytest


def need_rtx():
    """The module; a test module without it on x86-64 fails, for it would prove nothing."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        pytest.skip("tensorrt-rtx-cu13 has wheels for x86-64 Linux alone", allow_module_level=True)
    return importlib.import_module("tensorrt_rtx")
