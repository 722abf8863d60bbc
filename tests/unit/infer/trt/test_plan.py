"""Plans on disk: one is used only where its sidecar vouches for file, model, package, version and GPU."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.config.recipe import Manifest, Model
from aoi_daemon.engine.build.plan import count_types, write_plan
from aoi_daemon.errors import Action, ModelError
from aoi_daemon.infer.bundle import Bundle
from aoi_daemon.infer.trt.driver import Gpu
from aoi_daemon.infer.trt.plan import (
    Machine,
    Plan,
    PlanManifest,
    check_plans,
    choose_plan,
    misfits,
    plan_name,
    read_plan,
)

ONNX = hashlib.sha256(b"onnx").hexdigest()
T4 = Gpu("Tesla T4", (7, 5))
HERE = Machine("tensorrt", "10.3.0", T4)
FRAME = (640, 640, 1)


def sidecar(content=b"plan bytes", **fields):
    return PlanManifest(
        **{
            "plan": "x.plan", "sha256": hashlib.sha256(content).hexdigest(), "onnx": "fp16.onnx", "onnx_sha256": ONNX,
            "precision": "fp16", "flavour": "tensorrt", "flavour_version": "10.3.0", "target": "sm75",
            "gpu": "Tesla T4", "inputs": {"image": (1, 640, 640, 1)}, "types": {"float16": 3},
            "types_from": "engine", "workspace_mb": 1024, "build_s": 1.0, **fields,
        }
    )  # fmt: skip


@pytest.fixture
def bundle(tmp_path):
    """A bundle with one FP16 model; its engines/ is empty."""
    models = {"fp16": Model(file="fp16.onnx", sha256=ONNX), "fp32": Model(file="fp32.onnx", sha256="1" * 64)}
    manifest = Manifest(name="b", classes=("any",), has_template=False, models=models)
    return Bundle(manifest, tmp_path, "0" * 64)


@pytest.fixture
def put(bundle):
    """Write a plan into the bundle; its file."""

    def put_one(content=b"plan bytes", *, name="x.plan", **fields):
        file = bundle.folder / "engines" / name
        write_plan(Plan(file, sidecar(content, plan=name, **fields), content))
        return file

    return put_one


def test_the_plan_that_fits_is_chosen_and_its_bytes_are_what_was_written(bundle, put):
    """Among plans for other machines, the one for this."""
    put(b"for another", name="a.plan", flavour_version="10.13.3.9")
    put(b"for this one", name="b.plan")
    plan = choose_plan(bundle, "fp16", [FRAME], HERE)
    assert (plan.file.name, plan.content) == ("b.plan", b"for this one")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"flavour_version": "10.13.3.9"}, "built by tensorrt 10.13.3.9, this machine has tensorrt 10.3.0"),
        ({"flavour": "tensorrt_rtx", "flavour_version": "1.4.0.76", "gpu": None}, "built by tensorrt_rtx 1.4.0.76"),
        ({"target": "sm86", "gpu": "NVIDIA A10"}, r"built for sm86, this GPU \(Tesla T4\) is sm75"),
        ({"gpu": "NVIDIA GeForce RTX 2080"}, "tuned on NVIDIA GeForce RTX 2080, this GPU is Tesla T4"),
        ({"precision": "fp32"}, "is fp32"),
        ({"onnx_sha256": "2" * 64}, "built from another ONNX file"),
        ({"inputs": {"image": (1, 512, 512, 1)}}, "not built for 640 x 640 x 1"),
    ],
)
def test_a_plan_of_another_machine_model_or_size_is_refused_by_name(bundle, put, fields, why):
    """The error names the plan, why it does not fit, and the command that builds one that does."""
    put(**fields)
    with pytest.raises(ModelError, match=rf"x\.plan: .*{why}") as caught:
        choose_plan(bundle, "fp16", [FRAME], HERE)
    assert "aoi-daemon build-engine --bundle" in str(caught.value)
    assert "--fp16 --size 640x640" in str(caught.value)
    assert caught.value.action is Action.REFUSE


def test_rtx_plans_are_bound_to_the_target_and_not_to_a_card(bundle, put):
    """Built with no GPU at all, for every card of that compute capability."""
    put(flavour="tensorrt_rtx", flavour_version="1.7.1.116", gpu=None)
    machine = Machine("tensorrt_rtx", "1.7.1.116", Gpu("NVIDIA GeForce RTX 2080", (7, 5)))
    assert choose_plan(bundle, "fp16", [FRAME], machine).content == b"plan bytes"


def test_an_empty_bundle_says_how_to_build(bundle):
    """No plan at all is the usual first start on a new machine."""
    with pytest.raises(ModelError, match=r"no fp16 plan fits \(there is none\).*build-engine"):
        choose_plan(bundle, "fp16", [FRAME], HERE)


@pytest.mark.parametrize("place", [0, 5, -1])
def test_one_flipped_bit_is_found(bundle, put, place):
    """TensorRT does not notice it."""
    content = bytes(range(64))
    file = put(content)
    damaged = bytearray(content)
    damaged[place] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(ModelError, match="truncated or damaged, build it again"):
        choose_plan(bundle, "fp16", [FRAME], HERE)


def test_a_truncated_a_missing_and_a_lone_plan_are_refused(bundle, put):
    """A plan is never used without its sidecar, nor a sidecar without its plan."""
    file = put()
    file.write_bytes(b"plan")
    with pytest.raises(ModelError, match="4 bytes"):
        read_plan(file)
    file.unlink()
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        choose_plan(bundle, "fp16", [FRAME], HERE)
    lone = put(name="y.plan")
    (lone.parent / "y.plan.json").unlink()
    with pytest.raises(ModelError, match="a plan without it is not used"):
        read_plan(lone)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 2}'])
def test_a_damaged_sidecar_is_named(bundle, put, content):
    """The file and what is wrong with it."""
    file = put()
    sidecar_file = file.with_name("x.plan.json")
    sidecar_file.write_text(content)
    with pytest.raises(ModelError, match=r"x\.plan\.json: .*build the plan again"):
        choose_plan(bundle, "fp16", [FRAME], HERE)


def test_sizes_are_served_by_exact_profiles_ranges_or_fixed_inputs():
    """What `serves` says is what the engine will take."""
    exact = {"image": {"min": (1, 64, 96, 1), "opt": (1, 64, 96, 1), "max": (1, 64, 96, 1)}}
    ranged = {"image": {"min": (1, 32, 32, 1), "opt": (1, 64, 64, 1), "max": (1, 128, 128, 1)}}
    varying = {"image": (1, -1, -1, 1)}
    assert sidecar(inputs=varying, profiles=(exact,)).serves((64, 96, 1))
    assert not sidecar(inputs=varying, profiles=(exact,)).serves((96, 64, 1))
    assert sidecar(inputs=varying, profiles=(exact, ranged)).serves((100, 100, 1))
    assert not sidecar(inputs=varying, profiles=(ranged,)).serves((100, 129, 1))
    assert sidecar().serves(FRAME)
    assert not sidecar().serves((640, 640, 3))


def test_without_a_gpu_a_bundle_is_checked_for_a_plan_of_model_and_size(bundle, put):
    """For check-config: whatever GPU it is for, it must be this model's and serve the recipe's frame."""
    put(target="sm86", gpu="NVIDIA A10")
    check_plans(bundle, "fp16", [FRAME])
    with pytest.raises(ModelError, match="not built for 96 x 64 x 1"):
        check_plans(bundle, "fp16", [FRAME, (64, 96, 1)])
    with pytest.raises(ModelError, match="no fp32 plan fits"):
        check_plans(bundle, "fp32", [FRAME])


def test_a_plan_is_never_seen_beside_another_plans_sidecar(bundle, put, monkeypatch):
    """The old sidecar goes first and the new one comes last: a writer killed between leaves no plan, not a wrong one."""
    from aoi_daemon.engine.build import plan as module

    file = put(b"old")
    seen = []
    real = module.replace_file
    monkeypatch.setattr(
        module, "replace_file", lambda f, c: (seen.append(sorted(p.name for p in f.parent.iterdir())), real(f, c))
    )
    put(b"new")
    assert seen == [["x.plan"], ["x.plan"]]
    assert read_plan(file).content == b"new"


def test_plan_names_tell_what_they_are_for():
    """Two targets and two versions live side by side in one bundle."""
    assert plan_name("fp16", "tensorrt", "10.3.0", "sm75") == "fp16.tensorrt-10.3.0.sm75.plan"


def test_types_are_read_from_what_the_inspectors_write():
    """8.6 writes 'Row major linear FP16 format', 10 and 11 'Half'; one line names, and nested parts, are taken too."""
    old = '{"Layers": [{"Name": "a", "Outputs": [{"Format/Datatype": "Row major linear FP16 format"}]}, "just a name"]}'
    new = '{"Layers": [{"Outputs": [{"Format/Datatype": "Int8"}, {"Format/Datatype": "Half"}]}], "Bindings": ["x"]}'
    assert count_types(old) == {"float16": 1}
    assert count_types(new) == {"float16": 1, "int8": 1}
    assert count_types('{"Layers": ["a", "b"]}') == {}
    assert count_types("no JSON") == {}


VERSIONS = st.sampled_from(["8.6.1", "8.6.3", "9.3.0", "10.3.0", "10.13.3.9", "11.0.0", "11.4.0.106", "12.0.1"])
RUNS = {("8", "9"), ("8", "10"), ("9", "10"), ("10", "11")}
"""Majors that NVIDIA says go on with each other, beside each with itself."""


def numbers(version):
    return [int(number) for number in version.split(".")]


@given(built=VERSIONS, here=VERSIONS, flavour=st.sampled_from(["tensorrt", "tensorrt_lean"]), compatible=st.booleans())
def test_a_plan_runs_with_its_own_version_and_a_compatible_one_with_later_ones_too(built, here, flavour, compatible):
    """Forward alone, and across no major that NVIDIA does not name; the lean runtime takes compatible ones alone."""
    manifest = sidecar(flavour_version=built, version_compatible=compatible)
    fits = not misfits(manifest, Machine(flavour, here, T4))
    majors = (built.split(".")[0], here.split(".")[0])
    later = numbers(built) <= numbers(here) and (majors[0] == majors[1] or majors in RUNS)
    assert fits is (later if compatible else flavour == "tensorrt" and built == here)


@pytest.mark.parametrize(
    ("fields", "machine", "why"),
    [
        ({"version_compatible": True}, ("tensorrt", "8.6.1"), "version-compatible with later ones of 10 and 11, this"),
        ({"version_compatible": True}, ("tensorrt_rtx", "1.7.1.116"), "this machine has tensorrt_rtx 1.7.1.116"),
        ({}, ("tensorrt_lean", "10.3.0"), "without --version-compatible, this machine has tensorrt_lean 10.3.0"),
        ({"version_compatible": True, "gpu": "NVIDIA A10"}, ("tensorrt", "11.4.0.106"), "tuned on NVIDIA A10"),
    ],
)
def test_why_a_compatible_plan_does_not_fit_is_said(fields, machine, why):
    """Version compatibility loosens nothing about the GPU."""
    assert why in "; ".join(misfits(sidecar(**fields), Machine(*machine, T4)))
