"""aoi_daemon/infer/trt/open.py: whose plan may run code of its own on the CPU."""

from types import SimpleNamespace

import pytest

from aoi_daemon.infer.trt import open as trt_open
from aoi_daemon.infer.trt.vendor import vendor_of
from tests.unit.infer.trt.trt_builder_fakes import FakeBuilderApi


@pytest.mark.parametrize("compatible", [True, False])
def test_a_plan_that_is_version_compatible_may_and_no_other(monkeypatch, tmp_path, compatible):
    """It brings the lean runtime of the TensorRT that built it."""
    plan = SimpleNamespace(
        content=b"plan", file=tmp_path / "e.plan", manifest=SimpleNamespace(version_compatible=compatible)
    )
    monkeypatch.setattr(trt_open, "load_vendor", lambda: vendor_of(FakeBuilderApi("11.4.0.106"), "tensorrt_lean"))
    monkeypatch.setattr(trt_open, "CudaDevice", lambda index, spin: SimpleNamespace(gpu=None, close=lambda: None))
    monkeypatch.setattr(trt_open, "choose_plan", lambda *_: plan)
    monkeypatch.setattr(trt_open, "TensorRtExecutor", lambda vendor, *_, **__: vendor)
    vendor = trt_open.open_executor(SimpleNamespace(manifest=None), "fp16", [(64, 64, 1)])
    assert vendor.host_code is compatible
    assert ("engine_host_code_allowed" in vendor.make("Runtime", "no runtime")._values) is compatible
