"""tools/backends/cases.py: which cases there are, what is refused and why, in which order they come."""

import json
from collections import Counter

import pytest

from aoi_daemon.engine.reference import make_reference_bundle
from aoi_daemon.infer.bundle import load_bundle
from tools.backends import cases
from tools.backends.cases import Case, every_case, in_random_order, inspection_of, pairs_of, prepared, refusal


@pytest.fixture
def bundle(tmp_path):
    make_reference_bundle(tmp_path / "reference")
    return tmp_path / "reference"


def case_of(backend, precision, size_px=320):
    return Case("reference", "top100", backend, precision, size_px)


def why(bundle, case, **settings):
    return refusal(case, load_bundle(bundle), inspection_of(case, **settings))


def test_a_copy_gets_bf16_and_says_that_it_is_not_qualified_and_the_bundle_stays_as_it_is(bundle, tmp_path):
    before = (bundle / "manifest.json").read_bytes()
    found = prepared(bundle, tmp_path / "copy")
    assert found.label == "reference"
    assert found.bundle.model_path("bf16") == tmp_path / "copy" / found.bundle.manifest.models["fp32"].file
    assert found.notes == ("bundle reference does not name bf16: measured from its fp32, not qualified",)
    assert (bundle / "manifest.json").read_bytes() == before
    named = json.loads(before)
    named["models"]["bf16"] = named["models"]["fp32"]
    (bundle / "manifest.json").write_text(json.dumps(named))
    assert prepared(bundle, tmp_path / "other").notes == ()


def test_each_back_end_comes_with_each_precision_and_size(bundle, tmp_path):
    found = every_case([prepared(bundle, tmp_path / "c")], pairs_of(["onnx", "openvino"], ["fp32", "int8"]), [320, 640])
    assert len(found) == len(set(found)) == 8
    assert found[0] == case_of("onnx", "fp32") and str(found[0]) == "reference (top100), 320 px, onnx fp32"


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (case_of("onnx", "fp32"), None),
        (case_of("onnx", "int8"), "the bundle has no int8 (there: fp32)"),
    ],
)
def test_what_a_bundle_lacks_is_refused_with_what_it_has(bundle, case, said):
    assert why(bundle, case, threads=2) == said


def test_a_precision_that_a_back_end_never_runs_is_refused_in_the_configurations_words(bundle, tmp_path):
    copy = prepared(bundle, tmp_path / "copy").bundle
    case = case_of("onnx", "bf16")
    assert "onnx does not run it" in refusal(case, copy, inspection_of(case, threads=2))


def test_a_size_off_the_stride_and_a_package_that_is_not_there_are_refused(bundle, monkeypatch):
    manifest = json.loads((bundle / "manifest.json").read_text())
    (bundle / "manifest.json").write_text(json.dumps(manifest | {"stride_px": 32}))
    assert why(bundle, case_of("onnx", "fp32", 330), threads=2) == "the bundle needs frames of multiples of 32 px"
    monkeypatch.setattr(cases, "find_spec", lambda name: None)
    assert why(bundle, case_of("tensorrt", "fp32")) == "tensorrt or tensorrt_rtx is not installed"


def test_a_back_end_is_given_the_settings_that_it_has():
    settings = {"threads": 2, "device": None, "wait": "spin"}
    assert inspection_of(case_of("onnx", "fp32"), **settings) == {"backend": "onnx", "precision": "fp32", "threads": 2}
    assert inspection_of(case_of("tensorrt", "fp16"), **settings) == {
        "backend": "tensorrt", "precision": "fp16", "wait": "spin",
    }  # fmt: skip


def test_each_round_has_every_case_once_in_an_order_of_its_own():
    these = [case_of("onnx", "fp32", px) for px in range(32, 512, 32)]
    found = in_random_order(these, 4, seed=1)
    rounds = [[case for number, case in found if number == n] for n in range(4)]
    assert [number for number, _ in found] == sorted(number for number, _ in found)
    assert all(Counter(of_round) == Counter(these) for of_round in rounds)
    assert len({tuple(of_round) for of_round in rounds}) == 4
    assert in_random_order(these, 4, seed=1) == found != in_random_order(these, 4, seed=2)
