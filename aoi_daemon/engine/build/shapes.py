"""Which input sizes an engine is built for.

A model with fixed sizes needs nothing. For one whose sizes vary, each product's
frame gets an exact profile (min = opt = max), all in one plan: TensorRT then
chooses its kernels for that size, and no size is ever met that was not warmed up.
"""

from __future__ import annotations

from collections.abc import Sequence

from aoi_daemon.engine.build.arguments import Shape, SizePx
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.executor import TensorInfo
from aoi_daemon.infer.trt.plan import Range

Profile = dict[str, Range]
_CHANNELS = (1, 3)


def group_shapes(shapes: Sequence[Shape]) -> tuple[Profile, ...]:
    """Profiles from `--shape` options: the second for a name belongs to the second profile."""
    profiles: list[Profile] = []
    for shape in shapes:
        sizes = Range(min=shape.min, opt=shape.opt, max=shape.max)
        for profile in profiles:
            if shape.name not in profile:
                profile[shape.name] = sizes
                break
        else:
            profiles.append({shape.name: sizes})
    return tuple(profiles)


def profiles_for(inputs: Sequence[TensorInfo], sizes: Sequence[SizePx], shapes: Sequence[Profile]) -> list[Profile]:
    """What the builder must be given for a model with `inputs`.

    Args:
        inputs: as the parser found them; None where a dimension varies.
        sizes: frames to serve, an exact profile each.
        shapes: profiles given in full, in place of `sizes`.

    Raises:
        ModelError: naming the input, what was asked and what it takes.
    """
    varying = [tensor for tensor in inputs if None in tensor.shape]
    if not varying:
        for size in sizes:
            for tensor in inputs:
                _check_fits(tensor, _frame(tensor, size))
        if shapes:
            raise ModelError(f"input {inputs[0]}: its sizes are fixed, --shape does not apply")
        return []
    profiles = [{t.name: exact(_frame(t, size)) for t in varying} for size in sizes] + list(shapes)
    if not profiles:
        raise ModelError(f"input {varying[0]}: its sizes vary; name those to build for (--size, --recipe or --shape)")
    for profile in profiles:
        missing = sorted({t.name for t in varying} - set(profile))
        unknown = sorted(set(profile) - {t.name for t in inputs})
        if missing or unknown:
            there = ", ".join(map(str, inputs))
            raise ModelError(f"a profile names {', '.join(profile)}; the inputs are {there}")
        for tensor in inputs:
            if tensor.name in profile:
                for wanted in (profile[tensor.name].min, profile[tensor.name].opt, profile[tensor.name].max):
                    _check_fits(tensor, wanted)
    return profiles


def _frame(tensor: TensorInfo, size: SizePx) -> tuple[int, ...]:
    """The sizes of an image input for one frame: NHWC where the last dimension says channels, else NCHW."""
    width, height = size
    if len(tensor.shape) == 4:
        if tensor.shape[3] in _CHANNELS:
            return (1, height, width, int(tensor.shape[3] or 0))
        if tensor.shape[1] in _CHANNELS:
            return (1, int(tensor.shape[1] or 0), height, width)
    raise ModelError(f"input {tensor} is no image of 1 or 3 channels; give its sizes with --shape")


def _check_fits(tensor: TensorInfo, wanted: tuple[int, ...]) -> None:
    if len(wanted) != len(tensor.shape) or any(
        have is not None and have != want for have, want in zip(tensor.shape, wanted, strict=True)
    ):
        asked = "x".join(map(str, wanted))
        raise ModelError(f"input {tensor} does not take {asked}")


def exact(sizes: tuple[int, ...]) -> Range:
    """A profile of one size alone."""
    return Range(min=sizes, opt=sizes, max=sizes)
