"""Tests on a real GPU: `python3 -m pytest tests/gpu`. Skipped, with the reason, where something is missing.

One CUDA context serves all of them: a second one in a process made libraries fail.
"""

from pathlib import Path

import pytest

from aoi_daemon.engine.build.bundle import build_for_bundle
from aoi_daemon.errors import InferenceError
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.trt.cuda import CudaDevice
from aoi_daemon.infer.trt.driver import load_driver
from aoi_daemon.infer.trt.executor import TensorRtExecutor
from aoi_daemon.infer.trt.plan import Machine, choose_plan
from aoi_daemon.infer.trt.vendor import load_vendor
from tests.unit.engine.toy_detector import write_boards, write_bundle

SIZES = ((96, 96), (160, 96), (128, 160))
"""(width_px, height_px) of three products"""


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in Path(item.fspath).parents:
            item.add_marker(pytest.mark.gpu)


class SharedDevice(CudaDevice):
    """The one context; an executor's close gives its memory and graphs back and leaves the context open."""

    def close(self):
        self.synchronize()
        self._release()

    def end(self):
        super().close()


@pytest.fixture(scope="session")
def device():
    """The GPU, or the reason why there is none."""
    try:
        load_driver().gpu(0)
        load_vendor()
        shared = SharedDevice(0, spin=True)
    except InferenceError as error:
        pytest.skip(str(error))
    yield shared
    shared.end()


@pytest.fixture(scope="session")
def vendor(device):
    return load_vendor()


@pytest.fixture(scope="session")
def bundle(device, tmp_path_factory):
    """The toy detector in FP32 and FP16, with engines for this GPU: an exact profile for each size."""
    folder = write_bundle(tmp_path_factory.mktemp("bundle"))
    build_for_bundle(folder, None, ["fp32", "fp16"], SIZES)
    return load_bundle(folder)


@pytest.fixture(scope="session")
def boards(tmp_path_factory):
    """A folder of boards with bright and dark patches, 96 x 96."""
    return write_boards(tmp_path_factory.mktemp("boards"), 24, seed=5)


@pytest.fixture
def opened(device, vendor, bundle):
    """Open an executor of the toy bundle on the shared context."""

    def open_one(precision="fp32", **options):
        machine = Machine(vendor.flavour, vendor.version, device.gpu)
        shapes = [(height, width, 1) for width, height in SIZES]
        plan = choose_plan(bundle, precision, shapes, machine)
        return TensorRtExecutor(
            vendor,
            device,
            options.pop("content", plan.content),
            bundle.manifest,
            file=plan.file,
            shapes=options.pop("shapes", shapes),
            **options,
        )

    return open_one


@pytest.fixture
def tell(request):
    """Put a line into the run's output: what this GPU said."""
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    return lambda *words: reporter.write_line("  " + " ".join(map(str, words)))
