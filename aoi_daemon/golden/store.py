"""Change the golden parts of one product: pictures first, then the manifest, which is replaced at once.

Process: offline. A kill at any point leaves the manifest as it was, and at worst a picture that it does not name.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np

from aoi_daemon.config.boxes import Box
from aoi_daemon.files import make_folder, replace_file
from aoi_daemon.files.lock import alone
from aoi_daemon.golden.manifest import MANIFEST, MAX_PARTS, Golden, GoldenError, Image, Manifest, Part, read_golden

_LONGEST_NAME: Final = 80
_BILEVEL: Final = (cv2.IMWRITE_PNG_BILEVEL, 1, cv2.IMWRITE_PNG_COMPRESSION, 9)


class NewPart(NamedTuple):
    """A part before it is stored. `name` is what it is called by, where that is free; pictures (H, W, C) uint8."""

    name: str
    image: Image
    template: Image | None
    passed: bool
    fov: int
    boxes: tuple[Box, ...]
    source: str
    view: str | None = None


def add(folder: Path, new: Sequence[NewPart], *, by: str, when: str) -> list[Part]:
    """Store the parts, all of them or none; their entries in the manifest.

    Raises:
        GoldenError: one is there already, or there is no room; nothing has been changed.
        OSError: a file cannot be written; the manifest is as it was.
    """
    make_folder(folder)
    with alone(folder):
        before = read_golden(folder)
        if len(before.parts) + len(new) > MAX_PARTS:
            raise GoldenError(
                f"{folder}: has {len(before.parts)} golden parts, and {MAX_PARTS} at most; remove some first"
            )
        entries: list[Part] = []
        files: dict[str, bytes] = {}
        for part in new:
            entry, pictures = _entry(part, {*(p.name for p in (*before.parts, *entries))}, by, when)
            for known in (*before.parts, *entries):
                if _shows(known) == _shows(entry):
                    raise GoldenError(
                        f"{part.source}: is golden part {known.name} already; to change it, remove that one first: "
                        f"aoi-daemon golden remove --recipe {folder.stem} {known.name}"
                    )
            entries.append(entry)
            files |= pictures
        for name, content in files.items():
            replace_file(folder / name, content)
        _write(folder, (*before.parts, *entries))
    return entries


def _shows(part: Part) -> tuple[str, str | None, str | None, int]:
    """Two parts that show the same are one."""
    return part.sha256, part.template_sha256, part.view, part.fov


def remove(folder: Path, names: Sequence[str]) -> list[Part]:
    """Take the parts with these names out; what is left.

    Raises:
        GoldenError: there is no part of such a name; nothing has been changed.
        OSError: the manifest cannot be written.
    """
    if not folder.is_dir():
        raise GoldenError(f"{folder}: there are no golden parts of this recipe")
    with alone(folder):
        before = read_golden(folder)
        there = [part.name for part in before.parts]
        for name in names:
            if name not in there:
                raise GoldenError(f"{folder}: has no golden part {name!r} (there: {', '.join(there) or 'none'})")
        left = tuple(part for part in before.parts if part.name not in names)
        _write(folder, left)
    return list(left)


def encode(image: Image) -> bytes:
    """The picture as PNG, lossless; one bit a pixel where black and white are all there is.

    Raises:
        GoldenError: it is no picture of 8 bits and one or three channels.
    """
    bilevel = image.shape[2] == 1 and bool(np.isin(image, (0, 255)).all())
    done, png = cv2.imencode(".png", image, _BILEVEL if bilevel else [])
    if not done:
        raise GoldenError(f"a picture of shape {image.shape} and {image.dtype} is no PNG")
    return png.tobytes()


def _entry(part: NewPart, taken: set[str], by: str, when: str) -> tuple[Part, dict[str, bytes]]:
    base = re.sub(r"[^A-Za-z0-9_-]+", "-", part.name).strip("-")[:_LONGEST_NAME] or "part"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    files = {f"{name}.png": encode(part.image)}
    if part.template is not None:
        # A dot, which no part's own name has: no other part's picture can be called so.
        files[f"{name}.template.png"] = encode(part.template)
    hashes = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
    template = f"{name}.template.png" if part.template is not None else None
    entry = Part(
        image=f"{name}.png", sha256=hashes[f"{name}.png"], template=template,
        template_sha256=None if template is None else hashes[template], passed=part.passed, view=part.view,
        fov=part.fov, boxes=part.boxes, by=by[:80], when=when, source=part.source[:400],
    )  # fmt: skip
    return entry, files


def _write(folder: Path, parts: tuple[Part, ...]) -> None:
    raw = Manifest(parts=parts).model_dump_json(indent=1, exclude_none=True).encode() + b"\n"
    replace_file(folder / MANIFEST, raw)
    _clean(Golden(folder, parts))


def _clean(golden: Golden) -> None:
    """Remove the pictures that no part has, and what an interrupted change had begun to write."""
    named = {file for part in golden.parts for file in (part.image, part.template)}
    for path in golden.folder.iterdir():
        half = path.name.startswith(".") and any(word in path.name for word in (".png.", f".{MANIFEST}."))
        if half or (path.suffix == ".png" and path.name not in named):
            with contextlib.suppress(OSError):
                path.unlink()
