"""What `aoi-daemon model inspect` says: lines for a person, one object for a program. Pure."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any, Final, NamedTuple

from aoi_daemon.engine.exports.described import Described, Tensor
from aoi_daemon.engine.exports.facts import shown
from aoi_daemon.engine.exports.inspect.needs import Fit
from aoi_daemon.engine.precision.wrap import Pixels

_MOST_CLASSES: Final = 12
_SMOOTHED: Final = ("classify", "segment", "anomaly")
"""Families whose programs make a picture smaller with smoothing."""
_BY_PROGRAM: Final = {
    (255.0, (), ()): "0..1",
    (1.0, (), ()): "0..255",
    (127.5, (1.0, 1.0, 1.0), ()): "-1..1",
    (255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)): "imagenet",
}
"""Divisor, mean and deviation, as `bundle make --pixels` names them."""


class Asked(NamedTuple):
    """What the command line said.

    Attributes:
        classes: (): nothing.
        frame: (width, height) of the camera's in px.
    """

    classes: tuple[str, ...] = ()
    frame: tuple[int, int] | None = None


def lines(file: Path, described: Described, found: Fit, asked: Asked) -> str:
    """For a person; the last line is the command to copy."""
    rows = [
        ("task", f"{described.kind}, {_task(described, found)}"),
        ("made by", f"{described.program or 'it does not say'}, opset {described.opset}"),
        ("input", f"{shown(described.input)}, {described.layout}, {_colours(described)}"),
        ("frames", sizes(described)),
        ("pixels", pixels(described.pixels) or "not said: give --pixels"),
        ("classes", _classes(described, asked.classes)),
        *(("output", shown(output)) for output in described.outputs),
    ]
    if asked.frame is not None:
        rows.append(("fits", frame_fits(described, asked.frame)))
    rows += [("missing", f"the file {need.why}: {need.option} {need.value}") for need in found.needs]
    rows += [("note", note) for note in _notes(described, found)]
    told = "".join(f"  {key:<8} {text}\n" for key, text in rows)
    return f"{file}: can be taken\n{told}next:\n  {command(file, described, found, asked)}\n"


def as_object(file: Path, described: Described, found: Fit, asked: Asked) -> dict[str, Any]:
    """The same for a program; sizes in px, None where they are open."""
    wanted, frame = described.pixels, asked.frame
    return {
        "file": str(file), "taken": True, "task": described.kind, "family": described.family,
        "bundle_task": found.output.task, "program": described.program, "opset": described.opset,
        "input": _tensor(described.input), "layout": described.layout, "channels": described.channels,
        "width_px": described.width_px, "height_px": described.height_px, "stride_px": described.stride_px,
        "pixels": None if wanted is None else wanted._asdict(), "classes": list(asked.classes or described.classes),
        "class_count": len(asked.classes or described.classes) or described.count, "activation": described.activation,
        "outputs": [_tensor(output) for output in described.outputs],
        "frame": None
        if frame is None
        else {"width_px": frame[0], "height_px": frame[1], "fits": _exact(described, frame)},
        "missing": [{"option": need.option, "value": need.value, "why": need.why} for need in found.needs],
        "notes": list(_notes(described, found)), "next": command(file, described, found, asked),
    }  # fmt: skip


def refused(file: Path, reason: str) -> dict[str, Any]:
    """The object for a file that cannot be taken."""
    return {"file": str(file), "taken": False, "reason": reason}


def command(file: Path, described: Described, found: Fit, asked: Asked) -> str:
    """The command that makes a bundle of it; what is in capitals is still to be put in."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", file.stem).strip("-.")[:64] or "NAME"
    words = ["aoi-daemon", "bundle", "make", "--model", str(file), "--name", name]
    if described.family != "own":
        words += ["--task", described.kind]
    if asked.classes:
        words += ["--classes", ",".join(asked.classes)]
    missing = [f"{need.option} {need.value}" for need in found.needs]
    if described.activation != "none" and described.family in ("classify", "segment"):
        # Assumed, not said by the file: whoever copies the command sees it.
        words += ["--activation", described.activation]
    folders = "--calibration DIR --qualification DIR --golden DIR"
    return " ".join((*map(shlex.quote, words), *missing, folders, "--out", shlex.quote(f"bundles/{name}")))


def sizes(described: Described) -> str:
    """Which frames it takes."""
    width, height = described.width_px, described.height_px
    if width is None and height is None:
        return f"any size, multiples of {described.stride_px} px"
    return f"{width or 'any'} x {height or 'any'} px alone"


def frame_fits(described: Described, frame: tuple[int, int]) -> str:
    """Whether frames of (width, height) px are the model's, and what there is where they are not."""
    size = f"{frame[0]} x {frame[1]} px"
    if _exact(described, frame):
        return f"frames of {size} as they are"
    if described.width_px is None and described.height_px is None:
        return f"frames of {size} are no multiples of {described.stride_px} px: the recipe's `fit` pads them"
    # Ultralytics' detectors and torchvision's, whose graph does it, are shown pictures that are made smaller linear.
    smooth = ", resized with `smooth = true` as its program does" if described.family in _SMOOTHED else ""
    return (
        f"frames of {size} are not the model's {sizes(described)}: the recipe's `fit` resizes, crops or tiles "
        f"them{smooth}; or export it for {size}"
    )


def pixels(wanted: Pixels | None) -> str:
    """What it wants in place of 0 to 255; "": nobody says it."""
    if wanted is None:
        return ""
    key = (round(1 / wanted.scale, 3), wanted.mean, wanted.deviation)
    named = _BY_PROGRAM.get(key) or f"times {wanted.scale:g}, less {wanted.mean}, over {wanted.deviation}"
    return f"{named}, {'red' if wanted.is_rgb else 'blue'} first"


def _exact(described: Described, frame: tuple[int, int]) -> bool:
    for size, takes in zip(frame, (described.width_px, described.height_px), strict=True):
        if takes not in (None, size) or (takes is None and size % described.stride_px):
            return False
    return True


def _task(described: Described, found: Fit) -> str:
    return f"read as {described.family}, in a bundle task {found.output.task}"


def _colours(described: Described) -> str:
    return "gray" if described.channels == 1 else "three channels"


def _classes(described: Described, told: tuple[str, ...]) -> str:
    names = told or described.classes
    if not names:
        many = "" if described.count is None else f"{described.count}, "
        return f"{many}not named by the file: give --classes"
    some = ", ".join(names[:_MOST_CLASSES])
    return f"{len(names)}: {some}{', ...' if len(names) > _MOST_CLASSES else ''}"


def _notes(described: Described, found: Fit) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*described.notes, *found.notes)))


def _tensor(tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "dtype": tensor.dtype, "shape": list(tensor.shape)}
