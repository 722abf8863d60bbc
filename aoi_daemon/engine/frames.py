"""Frames on disk as a model sees them, with or without labels.

Process: offline.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.engine.labels import BoardsError, Pair
from aoi_daemon.engine.labels.files import MASK
from aoi_daemon.errors import PictureError
from aoi_daemon.files.pairs import TEMPLATE, TEST, NamesError, name_before, parts_in
from aoi_daemon.infer.executor import frame_problems
from aoi_daemon.pictures import Channels, list_pictures, read_picture

Image = NDArray[np.uint8]
T = TypeVar("T")


@dataclass(frozen=True)
class Frame:
    """One frame on disk, and its template where the model takes one. `bits`: of both, see `pictures`."""

    name: str
    image: Path
    template: Path | None
    channels: Channels
    bits: int | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The image, then the template."""
        return (self.image,) if self.template is None else (self.image, self.template)

    def read(self) -> tuple[Image, Image | None]:
        """Both decoded, (H, W, channels) uint8. Raises BoardsError naming the file."""
        try:
            image = read_picture(self.image, self.channels, bits=self.bits)
            template = (
                None if self.template is None else read_picture(self.template, self.channels, bits=self.bits)
            )  # fmt: skip
        except PictureError as error:
            raise BoardsError(str(error)) from error
        if template is not None and template.shape != image.shape:
            raise BoardsError(f"{self.template}: is {template.shape}, {self.image.name} is {image.shape}")
        return image, template


def frame_of(pair: Pair, manifest: Manifest, *, aligned: bool = False, fitted: bool = False) -> Frame:
    """The board under test as `manifest`'s model takes it, with its template where that or `aligned` needs one.

    Raises:
        BoardsError: a size that the model does not take, and boards are not `fitted` to it.
    """
    problems = [] if fitted else frame_problems((pair.height_px, pair.width_px, manifest.channels), manifest)
    if problems:
        raise BoardsError(f"{pair.test_path}: {'; '.join(problems)}")
    template = pair.template_path if manifest.has_template or aligned else None
    return Frame(pair.name, pair.test_path, template, manifest.channels, pair.bits)


def list_frames(folder: Path, manifest: Manifest, bits: int | None = None) -> list[Frame]:
    """The frames of a folder that needs no labels, board2 before board10.

    With a template: all NAME_test.* that have their NAME_temp.*. Without: every image but NAME_temp.* and
    NAME_mask.*; where the folder itself holds none, of the folders in it (`images`, `good`).

    Raises:
        BoardsError: no such folder, or no frame in it.
    """
    if not folder.is_dir():
        raise BoardsError(f"{folder}: no such folder")
    try:
        images = list_pictures(folder) or [path for each in _below(folder) for path in list_pictures(each)]
        templates = parts_in(images, ()).templates if manifest.has_template else {}
    except (PictureError, NamesError) as error:
        raise BoardsError(str(error)) from error
    frames = []
    for path in images:
        name = name_before(path, TEST)
        template = None if name is None else templates.get(name)
        beside = any(name_before(path, ending) is not None for ending in (TEMPLATE, MASK))
        if beside or (manifest.has_template and template is None):
            continue
        template = template if manifest.has_template else None
        frames.append(Frame(_named(folder, path, name or path.stem), path, template, manifest.channels, bits))
    if not frames:
        wanted = "NAME_test.png with its NAME_temp.png" if manifest.has_template else "image"
        raise BoardsError(f"{folder}: holds no {wanted}")
    return frames


def _below(folder: Path) -> list[Path]:
    """The folders in `folder`, and in these; masks of data sets lie in `ground_truth`."""
    shown = [path for path in sorted(folder.glob("*/")) + sorted(folder.glob("*/*/")) if path.is_dir()]
    return [path for path in shown if not {"ground_truth"} & set(path.relative_to(folder).parts)]


def _named(folder: Path, path: Path, name: str) -> str:
    """A frame's name, different from that of another folder's."""
    return "-".join((*path.parent.relative_to(folder).parts, name))


def set_hash(frames: Sequence[Frame]) -> str:
    """SHA-256 over the names and bytes of all images, in the order of their names."""
    lines = []
    for frame in sorted(frames, key=lambda frame: frame.name):
        hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in frame.files]
        lines.append(" ".join([frame.name, *hashes]))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def pairs_hash(pairs: Sequence[Pair]) -> str:
    """SHA-256 over the names and bytes of labelled boards: both images, whatever a model takes, and the labels."""
    images = set_hash([Frame(pair.name, pair.test_path, pair.template_path, 1) for pair in pairs])
    labels = "".join(f"{pair.name} {pair.boxes.tolist()} {pair.classes.tolist()}\n" for pair in pairs)
    return hashlib.sha256(f"{images}\n{labels}".encode()).hexdigest()


def folder_name(folder: Path) -> str:
    """A folder's own name: where it lies on this machine is nobody else's business."""
    return folder.absolute().name


def spread(items: Sequence[T], at_most: int) -> list[T]:
    """At most so many of them, evenly spread over the list."""
    count = min(at_most, len(items))
    return [items[i * len(items) // count] for i in range(count)]
