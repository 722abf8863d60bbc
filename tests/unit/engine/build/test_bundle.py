"""Engines in a bundle, by the real TensorRT-RTX, which needs no GPU to build: one plan for all sizes."""

import hashlib

import pytest

from aoi_daemon.engine.build import bundle as build_bundle
from aoi_daemon.engine.build.bundle import build_for_bundle
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.trt.plan import check_plans, golden_shapes
from tests.unit.infer.trt.need_rtx import need_rtx

need_rtx()

SIZES = [(160, 96), (96, 160), (128, 128)]
GOLDEN = (96, 96)
"""Of the toy detector's bundle."""


def exact_sizes(plan):
    found = []
    for profile in plan.manifest.profiles:
        assert set(profile) == {"image", "template"}
        for sizes in profile.values():
            assert sizes.min == sizes.opt == sizes.max
        found.append((profile["image"].opt[2], profile["image"].opt[1]))
    return found


def test_three_products_and_the_golden_parts_have_an_exact_profile_each_in_one_plan(bundle):
    """The plan of each precision serves all of them, and no size beside them."""
    before = (bundle / "manifest.json").read_bytes()
    plans = build_for_bundle(bundle, "sm86", ["fp32", "fp16", "int8"], SIZES)
    for plan, precision in zip(plans, ("fp32", "fp16", "int8"), strict=True):
        assert exact_sizes(plan) == [*SIZES, GOLDEN]
        assert plan.file.name.startswith(f"{precision}.tensorrt_rtx-") and plan.file.name.endswith(".sm86.plan")
        assert hashlib.sha256(plan.file.read_bytes()).hexdigest() == plan.manifest.sha256
        check_plans(load_bundle(bundle), precision, [(height, width, 1) for width, height in [*SIZES, GOLDEN]])
        with pytest.raises(ModelError, match="not built for 192 x 96 x 1"):
            check_plans(load_bundle(bundle), precision, [(96, 192, 1)])
    # The bundle is the same one to whoever keeps records.
    assert (bundle / "manifest.json").read_bytes() == before


def test_with_no_size_named_the_golden_parts_are_served(bundle):
    """A line proves an engine on them, so none is built that could not be."""
    (plan,) = build_for_bundle(bundle, "sm75", ["fp16"], [])
    assert exact_sizes(plan) == [GOLDEN]
    assert golden_shapes(load_bundle(bundle)) == [(96, 96, 1)]


@pytest.mark.parametrize("size", [(100, 96), (96, 100)])
def test_a_size_that_is_no_multiple_of_the_stride_is_refused_and_nothing_is_written(bundle, size):
    """TensorRT itself would only warn."""
    with pytest.raises(ModelError, match=f"frames are {size[0]} x {size[1]} px, .* needs multiples of 16"):
        build_for_bundle(bundle, "sm86", ["fp32"], [(96, 96), size])
    assert not (bundle / "engines").exists()


class TestMake:
    """`aoi-daemon bundle make --target`."""

    @pytest.fixture
    def fp16(self, make):
        return lambda *words, **changed: make("--precisions", "fp32,fp16", *words, calibration=None, **changed)

    def test_engines_of_every_precision_and_target_lie_in_the_finished_bundle(self, fp16, tmp_path):
        """With no size named, for the frames that it was qualified on."""
        code, out, err = fp16("--target", "sm75,sm86")
        assert (code, err.count("has no engine")) == (0, 0)
        engines = tmp_path / "out" / "demo" / "engines"
        names = {path.name.split(".tensorrt_rtx-")[0] + path.name[-10:] for path in engines.glob("*.plan")}
        assert names == {"fp32.sm75.plan", "fp32.sm86.plan", "fp16.sm75.plan", "fp16.sm86.plan"}
        assert out.count("by tensorrt_rtx") == 4
        for precision in ("fp32", "fp16"):
            check_plans(load_bundle(tmp_path / "out" / "demo"), precision, [(96, 96, 1)])

    def test_sizes_may_be_named(self, fp16, tmp_path):
        assert fp16("--target", "sm86", "--size", "160x96", "96x160")[0] == 0
        check_plans(load_bundle(tmp_path / "out" / "demo"), "fp16", [(96, 160, 1), (160, 96, 1), (96, 96, 1)])

    def test_an_engine_that_cannot_be_built_is_said_and_the_bundle_is_kept(self, fp16, tmp_path, monkeypatch):
        """Hours of qualification are not thrown away for it; the other engines are built."""
        real = build_bundle.build_for_bundle

        def build(folder, target, precisions, sizes, **more):
            if list(precisions) == ["fp16"]:
                raise ModelError("the builder said no")
            return real(folder, target, precisions, sizes, **more)

        monkeypatch.setattr(build_bundle, "build_for_bundle", build)
        code, out, err = fp16("--target", "sm86")
        assert code == 1
        assert "demo is complete, but has no engine fp16 for sm86: the builder said no" in err
        assert out.count("by tensorrt_rtx") == 1
        assert set(load_bundle(tmp_path / "out" / "demo").manifest.models) == {"fp32", "fp16"}

    def test_ctrl_c_while_engines_are_built_leaves_the_bundle_whole(self, fp16, tmp_path, monkeypatch):
        def build(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr(build_bundle, "build_for_bundle", build)
        code, _, err = fp16("--target", "sm86")
        assert code == 130
        assert "demo is complete, engines may be missing" in err
        load_bundle(tmp_path / "out" / "demo")

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--target", "sm10"], "'sm10' is none of sm75"),
            (["--target", "sm75,"], "is no list of different names"),
            (["--target", "sm75", "--size", "640"], "expected WIDTHxHEIGHT"),
        ],
    )
    def test_a_wrong_option_is_refused(self, fp16, capsys, words, said):
        with pytest.raises(SystemExit) as ended:
            fp16(*words)
        assert ended.value.code == 2
        assert said in capsys.readouterr().err

    def test_sizes_without_a_target_are_refused_before_any_work(self, fp16, tmp_path):
        code, _, err = fp16("--size", "96x96")
        assert code == 2
        assert "--size goes with --target" in err
        assert list((tmp_path / "out").iterdir()) == []

    def test_a_machine_that_cannot_build_for_the_target_says_so_before_any_work(self, fp16, tmp_path, monkeypatch):
        """Not after an hour of qualification."""

        def none():
            raise ModelError("there is no TensorRT")

        monkeypatch.setattr(build_bundle, "load_vendor", none)
        code, _, err = fp16("--target", "sm86")
        assert code == 2
        assert "there is no TensorRT" in err
        assert list((tmp_path / "out").iterdir()) == []
