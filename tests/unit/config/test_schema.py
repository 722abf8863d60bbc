"""What of line.toml goes together: the ways to choose a camera, and the times by which a frame's trigger is known."""

from itertools import product

import pytest
from pydantic import ValidationError

from aoi_daemon.config.cameras import GenicamCamera
from aoi_daemon.config.schema import InspectionSection, LineConfig

CAMERA = {"kind": "genicam", "producer": "x.cti"}
CHOICES = ("serial", "device_id", "model", "user_name", "index")


@pytest.mark.parametrize("given", list(product([False, True], repeat=len(CHOICES))))
def test_a_camera_is_chosen_by_one_name_and_an_index_goes_with_a_model_alone(given):
    keys = {key: 0 if key == "index" else "7" for key, is_given in zip(CHOICES, given, strict=True) if is_given}
    names = keys.keys() - {"index"}
    if len(names) < 2 and ("index" not in keys or names <= {"model"}):
        assert GenicamCamera.model_validate({**CAMERA, **keys}).model_dump(include=keys.keys()) == keys
    else:
        with pytest.raises(ValidationError, match=r"name the device by one of|index goes with model or stands alone"):
            GenicamCamera.model_validate({**CAMERA, **keys})


def test_a_field_of_view_is_given_or_told_by_the_frame():
    assert GenicamCamera.model_validate({**CAMERA, "fov": 0}).fov == 0
    assert GenicamCamera.model_validate({**CAMERA, "fov_chunk": "ChunkSet"}).fov is None
    with pytest.raises(ValidationError, match="fov and fov_chunk: give one"):
        GenicamCamera.model_validate({**CAMERA, "fov": 0, "fov_chunk": "ChunkSet"})


@pytest.mark.parametrize(("within_ms", "period_ms", "is_certain"), [(10.0, 10.0, True), (10.5, 10.0, False), (10.0, 10.5, False), (0.5, 19.5, True)])
def test_a_trigger_is_certain_within_half_a_takt(within_ms, period_ms, is_certain):
    """Of 50 ms, with an answer of 5."""
    line = {"cameras": [{**CAMERA, "trigger_within_ms": within_ms}], "plc": {"poll": {"base": 0, "period_ms": period_ms}}}
    if is_certain:
        assert LineConfig.model_validate(line).cameras[0].trigger_within_ms == within_ms
    else:
        with pytest.raises(ValidationError, match=r"is more than half of line.takt_ms \(25\)"):
            LineConfig.model_validate(line)


def test_each_camera_with_trigger_numbers_needs_the_poll():
    cameras = [{**CAMERA, "name": "a"}, {**CAMERA, "name": "b", "trigger_within_ms": 1.0}]
    with pytest.raises(ValidationError, match=r"cameras.trigger_within_ms needs \[plc.poll\]"):
        LineConfig.model_validate({"cameras": cameras})


@pytest.mark.parametrize(
    ("device", "is_taken"),
    [*((number, 0 <= number <= 15) for number in (-1, 0, 15, 16)), *((f"{kind}{which}", True) for kind in ("cpu", "gpu", "npu") for which in ("", ".0", ".9")),
     *((name, False) for name in ("", "CPU", "gpu.10", "gpu.", "gpu.x", "cuda", "cpu,gpu", "auto", " cpu", "cpu\n"))],
)  # fmt: skip
def test_a_device_is_a_number_or_one_of_openvinos_kinds(device, is_taken):
    if is_taken:
        assert InspectionSection(backend="auto", device=device).device == device
    else:
        with pytest.raises(ValidationError, match="device"):
            InspectionSection(backend="auto", device=device)


BACKENDS = ("auto", "onnx", "openvino", "tensorrt")


@pytest.mark.parametrize(("backend", "precision"), list(product(BACKENDS, ("auto", "fp32", "bf16", "fp16", "int8"))))
def test_a_precision_is_named_unless_the_back_end_is_not(backend, precision):
    """Nothing is chosen silently; bf16 is run where there is a back end that has it."""
    takes = {"auto": backend == "auto", "bf16": backend in ("auto", "openvino")}.get(precision, True)
    if takes:
        assert InspectionSection(backend=backend, precision=precision).precision == precision
    else:
        with pytest.raises(ValidationError, match=f"precision = '{precision}'.*{backend if precision == 'bf16' else 'auto'}"):
            InspectionSection(backend=backend, precision=precision)


@pytest.mark.parametrize(("backend", "device"), list(product(BACKENDS, (None, 0, 3, "cpu", "gpu", "gpu.1", "npu"))))
def test_a_device_is_of_the_kind_that_the_back_end_has(backend, device):
    """A number with OpenVINO, or a name with TensorRT, would else be another device than is meant."""
    taken = {
        "auto": True, "onnx": device in (None, 0, 3, "cpu"), "openvino": not isinstance(device, int),
        "tensorrt": not isinstance(device, str),
    }[backend]  # fmt: skip
    if taken:
        assert InspectionSection(backend=backend, device=device).device == device
    else:
        with pytest.raises(ValidationError, match=f"device = {device!r}: {backend} (takes|runs on the CPU)"):
            InspectionSection(backend=backend, device=device)


@pytest.mark.parametrize("lanes", ["many", "2", "AUTO", "", True, 1.0, None])
def test_what_is_no_number_of_lanes_is_refused_with_what_would_do(lanes):
    with pytest.raises(ValidationError, match='give a number from 1 to 8, or "auto"'):
        InspectionSection.model_validate({"lanes": lanes})


@pytest.mark.parametrize("lanes", [0, 9, -1])
def test_a_number_of_lanes_that_is_out_of_bounds_is_refused_with_those_that_are_not(lanes):
    with pytest.raises(ValidationError, match="'auto', 1, 2, 3, 4, 5, 6, 7 or 8"):
        InspectionSection.model_validate({"lanes": lanes})


def test_lanes_that_are_measured_fit_any_back_end_and_number_of_cameras():
    """A GPU, or one camera, has one lane then; the number that is named must fit."""
    auto = {"lanes": "auto"}
    assert InspectionSection().lanes == 1, "as it was before there was auto"
    for backend in ("auto", "onnx", "openvino", "tensorrt"):
        assert LineConfig.model_validate({"cameras": [CAMERA], "inspection": {**auto, "backend": backend}}).inspection.lanes == "auto"
    with pytest.raises(ValidationError, match="a GPU has one lane"):
        InspectionSection.model_validate({"lanes": 2, "backend": "tensorrt"})
    with pytest.raises(ValidationError, match="more than there are cameras"):
        LineConfig.model_validate({"cameras": [CAMERA], "inspection": {"lanes": 2}})
