"""Which devices OpenVINO finds, with a package that stands in for it."""

import sys
from types import SimpleNamespace

import pytest

from aoi_daemon.infer.openvino import devices


def package(found):
    core = SimpleNamespace(available_devices=list(found), get_property=lambda device, _: found[device])
    return SimpleNamespace(Core=lambda: core)


@pytest.mark.parametrize(
    ("can", "expected"),
    [
        (["BF16", "WINOGRAD", "FP32", "INT8", "BIN", "EXPORT_IMPORT"], ["fp32", "bf16", "int8"]),
        (["FP32", "FP16", "INT8"], ["fp32", "fp16", "int8"]),
        (["FP16", "INT8"], ["fp16", "int8"]),
        ([], []),
    ],
)
def test_each_device_is_named_as_in_line_toml_with_what_it_does_not_emulate(monkeypatch, can, expected):
    monkeypatch.setitem(sys.modules, "openvino", package({"CPU": can, "GPU.1": ["FP32"]}))
    assert devices.devices() == {"cpu": expected, "gpu.1": ["fp32"]}


def test_whether_it_is_there_is_told_without_loading_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "openvino", raising=False)
    devices.installed()
    assert "openvino" not in sys.modules
    monkeypatch.setattr(devices.importlib.util, "find_spec", lambda _: None)
    assert not devices.installed()
    assert "pip install" in devices.INSTALL
