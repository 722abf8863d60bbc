"""A model is read back as it was compiled before, where it is the same in everything; and runs in what was asked for."""

import numpy as np
import pytest

import tests.unit.infer.openvino.need_openvino  # noqa: F401  # first: leaves the module out
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.executor import NO_DEADLINE
from aoi_daemon.infer.openvino import rules
from aoi_daemon.infer.openvino.compiled import Device
from aoi_daemon.infer.openvino.executor import OpenVinoExecutor
from aoi_daemon.infer.openvino.vendor import openvino

FRAME = np.full((32, 48, 1), 51, np.uint8)


def capabilities():
    return [str(each) for each in Device("cpu", "fp32", 1)._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")]


@pytest.fixture
def compiles(monkeypatch):
    """A list of the sizes that were compiled."""
    found = []
    compiled = Device._compiled

    def spied(self, file, onnx, manifest, shape):
        found.append(shape)
        return compiled(self, file, onnx, manifest, shape)

    monkeypatch.setattr(Device, "_compiled", spied)
    return found


def judged(file, manifest, folder, shape=FRAME.shape, **settings):
    """The score of a frame of 51 of 255, and the notes."""
    with OpenVinoExecutor(file, manifest, shape, **{"precision": "fp32", "kept_in": folder, **settings}) as executor:
        return executor.infer(np.full(shape, 51, np.uint8), None, NO_DEADLINE).scores[0], executor.notes


def test_a_second_start_reads_back_what_the_first_compiled(plain_model, manifest, tmp_path, compiles):
    """With the same answer; another size, precision or model, or other threads, is compiled."""
    kept, file = tmp_path / "compiled", plain_model()
    for _ in range(3):
        score, notes = judged(file, manifest(), kept)
        assert score == pytest.approx(0.2) and notes == []
    assert compiles == [FRAME.shape]
    assert judged(file, manifest(), kept, shape=(64, 48, 1))[0] == pytest.approx(0.2)
    assert len(compiles) == 2
    _, (note,) = judged(file, manifest(), kept, threads=1)
    assert len(compiles) == 3 and "is of another options; compiled anew" in note
    file.write_bytes(plain_model(edit=lambda text: text.replace("255.0", "51.0")).read_bytes())
    score, (note,) = judged(file, manifest(), kept, threads=1)
    assert score == pytest.approx(1.0) and "is of another onnx_sha256; compiled anew" in note
    assert judged(file, manifest(), kept, threads=1) == (score, [])


def test_a_blob_that_is_damaged_is_compiled_anew_and_replaced(plain_model, manifest, tmp_path, compiles):
    kept, file = tmp_path / "compiled", plain_model()
    judged(file, manifest(), kept)
    (blob,) = kept.iterdir()
    content = bytearray(blob.read_bytes())
    content[-100] ^= 1
    blob.write_bytes(content)
    score, (note,) = judged(file, manifest(), kept)
    assert score == pytest.approx(0.2) and f"{blob}: is damaged; compiled anew" == note
    assert judged(file, manifest(), kept)[1] == [] and len(compiles) == 2


def test_what_openvino_does_not_take_back_is_compiled_anew(plain_model, manifest, tmp_path, monkeypatch):
    """Its hash holds: another version's, or a driver's that has changed without saying so."""
    kept, file = tmp_path / "compiled", plain_model()
    device = Device("cpu", "fp32", 2)
    monkeypatch.setattr("aoi_daemon.infer.openvino.compiled.read_blob", lambda folder, key: (b"no model at all", ""))
    ready, note = device.open(file, manifest(), FRAME.shape, kept)
    assert "OpenVINO does not take it back" in note and note.endswith("compiled anew")
    assert ready.inputs == (0,) and len(list(kept.iterdir())) == 1


def test_without_a_folder_nothing_is_kept(plain_model, manifest, tmp_path, compiles):
    file = plain_model()
    assert judged(file, manifest(), None)[1] == [] and judged(file, manifest(), None)[1] == []
    assert len(compiles) == 2 and list(file.parent.iterdir()) == [file]


def test_a_precision_that_openvino_would_swap_silently_is_refused_by_name(plain_model, manifest, monkeypatch):
    """Before: by what the CPU says that it has. After: by what the compiled model says that it runs."""
    if "FP16" in capabilities():
        pytest.skip("this CPU has FP16")
    with pytest.raises(ModelError, match=r"inspection\.precision = 'fp16': cpu does not have it .*it has fp32"):
        judged(plain_model(), manifest(), None, precision="fp16")
    monkeypatch.setattr(rules, "precision_problem", lambda *_: "")
    with pytest.raises(ModelError, match=r"'fp16': OpenVINO was asked for f16 and compiled for b?f(16|32) on cpu"):
        judged(plain_model(), manifest(), None, precision="fp16")


def test_bf16_and_int8_are_run_as_asked_where_the_cpu_has_them(plain_model, manifest):
    for precision, needs, hint in (("bf16", "BF16", "bf16"), ("int8", "INT8", "f32")):
        if needs in capabilities():
            with OpenVinoExecutor(plain_model(), manifest(), FRAME.shape, precision=precision) as executor:
                request = executor._compiled[FRAME.shape].request
                assert request.get_compiled_model().get_property("INFERENCE_PRECISION_HINT").get_type_name() == hint
                assert executor.infer(FRAME, None, NO_DEADLINE).scores[0] == pytest.approx(0.2, abs=2e-3)
                assert f"{precision}, plain.onnx" in executor.name
                assert any("run in f32" in note for note in executor.notes) is (precision == "int8")


@pytest.mark.parametrize("name", ["gpu.7", "npu.7", "cpu.0"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(plain_model, manifest, name):
    with pytest.raises(ModelError, match=rf"inspection\.device = '{name}': OpenVINO finds no such device .*there: .*cpu"):
        judged(plain_model(), manifest(), None, device=name)


def test_a_device_whose_driver_does_not_answer_is_refused_by_name(plain_model, manifest, monkeypatch):
    """It is listed, and fails at the first question."""
    monkeypatch.setattr(rules, "device_problem", lambda *_: "")
    with pytest.raises(ModelError, match=r"inspection\.device = 'gpu\.9': its driver does not answer: "):
        judged(plain_model(), manifest(), None, device="gpu.9")


def test_a_sandbox_that_hides_what_the_cpu_is_does_no_harm(plain_model, manifest, tmp_path, monkeypatch):
    """ProcSubset=pid: the instruction sets are not known, and nothing is said of them."""
    monkeypatch.setattr("aoi_daemon.infer.openvino.compiled._CPUINFO", tmp_path / "hidden")
    score, notes = judged(plain_model(), manifest(), None, precision="int8")
    assert score == pytest.approx(0.2) and notes == ["layers that are not quantised run in f32"]


def test_a_line_on_the_cpu_asks_no_other_driver(plain_model, manifest, monkeypatch):
    """To list the devices loads each of them: one that hangs or crashes is not the CPU's."""
    asked = []
    monkeypatch.setattr(openvino().Core, "available_devices", property(lambda _: asked.append(1) or ["CPU"]), raising=False)
    assert judged(plain_model(), manifest(), None)[0] == pytest.approx(0.2) and not asked
    with pytest.raises(ModelError, match=r"there: cpu\)"):
        judged(plain_model(), manifest(), None, device="gpu")
    assert asked == [1]
