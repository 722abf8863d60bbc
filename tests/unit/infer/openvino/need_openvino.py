"""Leaves a module of tests out where OpenVINO is not installed. It is imported as the product does it."""

import pytest

from aoi_daemon.errors import ModelError
from aoi_daemon.infer.openvino.vendor import openvino

try:
    openvino()
except ModelError as error:
    pytest.skip(str(error), allow_module_level=True)
