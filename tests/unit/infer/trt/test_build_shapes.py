"""Sizes on the command line, and the profiles that come of them."""

import argparse

import pytest

from aoi_daemon.engine.build.arguments import Shape, parse_shape, parse_size
from aoi_daemon.engine.build.shapes import exact, group_shapes, profiles_for
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.executor import TensorInfo
from aoi_daemon.infer.trt.plan import Range

NHWC = TensorInfo("image", "uint8", (1, None, None, 1))
TEMPLATE = TensorInfo("template", "uint8", (1, None, None, 1))
NCHW = TensorInfo("images", "float32", (None, 3, None, None))
FIXED = TensorInfo("image", "uint8", (1, 480, 640, 1))


def test_a_size_is_width_times_height_and_a_profile_is_height_first():
    """640x480 is as wide as the camera says; NHWC wants the height first."""
    assert parse_size("640x480") == (640, 480)
    assert profiles_for([NHWC], [(640, 480)], []) == [{"image": exact((1, 480, 640, 1))}]


def test_each_size_becomes_one_exact_profile_over_all_varying_inputs():
    """Image and template, two products: two profiles of two inputs."""
    profiles = profiles_for([NHWC, TEMPLATE], [(640, 640), (1024, 640)], [])
    assert profiles == [
        {name: exact((1, h, w, 1)) for name in ("image", "template")} for w, h in ((640, 640), (1024, 640))
    ]


def test_planar_images_are_known_by_their_channels():
    """YOLO's own export: float32 (N, 3, H, W)."""
    assert profiles_for([NCHW], [(640, 480)], []) == [{"images": exact((1, 3, 480, 640))}]


def test_a_fixed_size_needs_no_profile_and_holds_the_size_asked_for():
    """A recipe of another size is refused before the builder runs."""
    assert profiles_for([FIXED], [(640, 480)], []) == []
    assert profiles_for([FIXED], [], []) == []
    with pytest.raises(ModelError, match=r"image uint8 .* does not take 1x640x640x1"):
        profiles_for([FIXED], [(640, 640)], [])
    with pytest.raises(ModelError, match="--shape does not apply"):
        profiles_for([FIXED], [], [{"image": exact((1, 480, 640, 1))}])


def test_varying_sizes_with_no_size_to_build_for_are_refused():
    """TensorRT would answer with None."""
    with pytest.raises(ModelError, match="its sizes vary; name those to build for"):
        profiles_for([NHWC], [], [])


def test_a_profile_names_every_varying_input_and_no_other():
    """Or the builder would find it invalid after minutes."""
    with pytest.raises(ModelError, match="a profile names image; the inputs are"):
        profiles_for([NHWC, TEMPLATE], [], [{"image": exact((1, 64, 64, 1))}])
    with pytest.raises(ModelError, match="a profile names image, other"):
        profiles_for([NHWC], [], [{"image": exact((1, 64, 64, 1)), "other": exact((1,))}])
    with pytest.raises(ModelError, match="does not take 1x64x64x3"):
        profiles_for([NHWC], [], [{"image": exact((1, 64, 64, 3))}])
    with pytest.raises(ModelError, match="no image of 1 or 3 channels"):
        profiles_for([TensorInfo("x", "float32", (None, 7))], [(64, 64)], [])


def test_a_shape_is_minimum_optimum_and_maximum_or_one_size():
    """NAME=MIN:OPT:MAX."""
    low, opt, high = (1, 32, 32, 1), (1, 64, 64, 1), (1, 96, 96, 1)
    assert parse_shape("image=1x32x32x1:1x64x64x1:1x96x96x1") == Shape("image", low, opt, high)
    assert parse_shape("image=1x64x64x1") == Shape("image", opt, opt, opt)
    assert group_shapes([Shape("image", low, opt, high)]) == ({"image": Range(min=low, opt=opt, max=high)},)


@pytest.mark.parametrize(
    "text",
    ["image", "image=", "=1x2", "image=1x2:3x4", "image=0x2", "image=-1x2", "image=1xax2", "image=1x9:1x8:1x9",
     "image=1x2:1x2x3:1x2"],
)  # fmt: skip
def test_a_shape_that_is_none_is_refused_by_its_text(text):
    """min > opt would come back from TensorRT as -1."""
    with pytest.raises(argparse.ArgumentTypeError, match=text):
        parse_shape(text)


@pytest.mark.parametrize("text", ["640", "640x", "640x640x1", "axb", "0x640", "640X640"])
def test_a_size_that_is_none_is_refused_by_its_text(text):
    """Two numbers above 0."""
    with pytest.raises(argparse.ArgumentTypeError, match=text):
        parse_size(text)


def test_the_second_shape_of_a_name_belongs_to_the_second_profile():
    """--shape image=A --shape template=B --shape image=C --shape template=D: (A, B), (C, D)."""
    a, b, c, d = ((n,) for n in range(1, 5))
    names = ("image", "template", "image", "template")
    shapes = [Shape(name, n, n, n) for name, n in zip(names, (a, b, c, d), strict=True)]
    assert group_shapes(shapes) == (
        {"image": exact(a), "template": exact(b)},
        {"image": exact(c), "template": exact(d)},
    )
