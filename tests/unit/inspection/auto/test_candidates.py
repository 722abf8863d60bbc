"""What is a candidate, and that nothing else ever is."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.config.precision import PRECISIONS
from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.inspection.auto.candidates import Machine, candidates, named, reference
from tests.unit.infer.manifests import manifest_of

FIGURES = {
    "map33": 1.0, "map50": 1.0, "map50_95": 1.0, "f_score": 1.0, "bad_boards": 1, "escapes": 0, "good_boards": 1,
    "false_calls": 0, "flips": 0,
}  # fmt: skip
EVERYTHING = Machine("", {"cpu": frozenset(PRECISIONS), "gpu": frozenset(("fp32", "fp16"))}, dict.fromkeys(PRECISIONS, ""))
AUTO = InspectionSection(backend="auto", precision="auto")


def bundle_of(models=("fp32", "int8"), qualified=("fp32", "int8"), refused=None):
    """A manifest with models of these precisions, of which the report took `qualified`."""
    manifest = manifest_of("top100")
    files = {name: {"file": f"{name}.onnx", "sha256": "0" * 64} for name in models}
    report = None
    if qualified is not None:
        # Built past validation: a bundle of a later version may qualify more than this one knows.
        report = type("Report", (), {"models": dict.fromkeys(qualified, FIGURES), "refused": refused or {}})()
    return manifest.model_copy(update={"models": files, "qualification": report})


def names(found):
    return [candidate.name for candidate in found.candidates]


def why(found, name):
    return next(row.why for row in found.refused if row.name == name)


subsets = st.sets(st.sampled_from(PRECISIONS))


@given(
    models=subsets.map(lambda found: found | {"fp32"}), qualified=st.none() | subsets,
    can=st.dictionaries(st.sampled_from(["cpu", "gpu", "npu", "gpu.1"]), subsets.map(frozenset)),
    openvino=st.sampled_from(["", "not installed"]), device=st.sampled_from([None, 0, 1, "cpu", "gpu", "npu", "gpu.1"]),
)  # fmt: skip
def test_nothing_unqualified_is_ever_a_candidate_and_the_reference_always_is(models, qualified, can, openvino, device):
    section = AUTO.model_copy(update={"device": device})
    found = candidates(bundle_of(models, qualified), section, Machine(openvino, can, {"*": "no GPU"}))
    assert found.candidates[0].name == "onnx fp32", "there is one whatever becomes of the time"
    for each in found.candidates:
        assert each.precision in models
        assert each.precision == "fp32" or each.precision in (qualified or ())
        assert each.backend != "openvino" or (not openvino and each.precision in can[each.device])
        assert each.backend == "openvino" or each.precision != "bf16"
    seen = [*names(found), *(row.name for row in found.refused)]
    assert len(seen) == len(set(seen)), "each has one line"
    assert all(row.why for row in found.refused)


@given(precision=st.sampled_from(PRECISIONS), qualified=st.none() | subsets)
def test_a_precision_that_a_person_has_named_stays(precision, qualified):
    section = AUTO.model_copy(update={"precision": precision})
    found = candidates(bundle_of(PRECISIONS, qualified), section, EVERYTHING)
    assert {each.precision for each in found.candidates} == {precision}
    assert {each.backend for each in found.candidates} >= {"openvino"}


def test_why_a_precision_is_none_is_said_as_the_bundle_says_it():
    found = candidates(bundle_of(("fp32", "int8"), ("fp32",), {"fp16": "mAP at IoU 0.5 is 88 %"}), AUTO, EVERYTHING)
    assert why(found, "fp16") == "left out by the bundle's qualification: mAP at IoU 0.5 is 88 %"
    assert why(found, "int8") == "not qualified in the bundle"
    assert why(found, "bf16") == "not qualified in the bundle"
    assert why(candidates(bundle_of(qualified=None), AUTO, EVERYTHING), "int8") == "the bundle has no qualification"


def test_why_a_back_end_is_none_is_said_with_its_remedy():
    nothing = Machine("not installed: pip install 'aoi-daemon[openvino]'", {}, {"*": "the bundle has no engine"})
    found = candidates(bundle_of(), AUTO, nothing)
    assert names(found) == ["onnx fp32", "onnx int8"]
    assert "pip install" in why(found, "openvino")
    assert why(found, "tensorrt") == "the bundle has no engine"


def test_what_a_device_would_emulate_is_no_candidate():
    machine = EVERYTHING._replace(devices={"cpu": frozenset(("fp32", "int8"))})
    found = candidates(bundle_of(PRECISIONS, PRECISIONS), AUTO, machine)
    assert "openvino bf16" not in names(found)
    assert why(found, "openvino bf16") == "cpu has no bf16: it would be emulated, slowly"


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        (None, {"onnx", "openvino", "openvino gpu", "tensorrt"}),
        ("cpu", {"onnx", "openvino"}),
        ("gpu", {"onnx", "openvino gpu"}),
        (1, {"onnx", "openvino", "openvino gpu", "tensorrt"}),
        ("npu", {"onnx"}),
    ],
)
def test_a_device_that_is_named_stays_beside_the_reference(device, expected):
    section = AUTO.model_copy(update={"device": device, "precision": "fp32"})
    found = candidates(bundle_of(), section, EVERYTHING)
    assert {name.removesuffix(" fp32") for name in names(found)} == expected
    if device == "npu":
        assert why(found, "openvino npu fp32") == "OpenVINO finds no npu here (there: cpu, gpu)"


def test_an_engine_that_does_not_fit_says_why():
    machine = EVERYTHING._replace(tensorrt={"fp32": "built for another GPU", "int8": ""})
    found = candidates(bundle_of(), AUTO, machine)
    assert "tensorrt int8" in names(found)
    assert why(found, "tensorrt fp32") == "built for another GPU"


def test_a_candidate_is_opened_by_its_names():
    for each in candidates(bundle_of(PRECISIONS, PRECISIONS), AUTO.model_copy(update={"device": 1}), EVERYTHING).candidates:
        section = named(AUTO.model_copy(update={"device": 1}), each)
        assert (section.backend, section.precision) == (each.backend, each.precision)
        assert section.device == (each.device if each.backend == "openvino" else 1)
        InspectionSection.model_validate(section.model_dump())


@pytest.mark.parametrize("precision", ["auto", *PRECISIONS])
def test_the_reference_is_onnx_runtime_but_for_what_it_does_not_run(precision):
    section = AUTO.model_copy(update={"precision": precision})
    expected = {"auto": "onnx fp32", "bf16": "openvino bf16"}.get(precision, f"onnx {precision}")
    assert reference(section).name == expected
    InspectionSection.model_validate(section.reference.model_dump())


def test_the_quickest_kinds_are_tried_before_those_that_are_given_up_early_for_them():
    order = names(candidates(bundle_of(PRECISIONS, PRECISIONS), AUTO, EVERYTHING))
    rest = [name.split()[0] for name in order[1:]]
    assert [key for key, _ in itertools.groupby(rest)] == ["tensorrt", "openvino", "onnx"]
