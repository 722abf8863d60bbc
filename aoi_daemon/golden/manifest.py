"""The golden parts of one product: `recipes/NAME.golden/`, a manifest and its pictures.

`manifest.json` names each picture with its hash, so the manifest's own hash stands for the folder. A picture that the
manifest does not name is what an interrupted change has left: it is passed over, and removed by the next change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, Strict, ValidationError, model_validator

from aoi_daemon.config.boxes import Boxes
from aoi_daemon.config.section import Name, Section, Sha256
from aoi_daemon.errors import Action, AoiError, PictureError
from aoi_daemon.files import text
from aoi_daemon.pictures import decode_picture, read_bytes

MANIFEST: Final = "manifest.json"
MAX_PARTS: Final = 200
"""Golden parts of one product: each start of the inspection, and each reload, judges all of them."""
_LARGEST_BYTES: Final = 4 * 1024 * 1024

Image = NDArray[np.uint8]
PictureName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,100}\.png$")]
"""A file of the folder itself: no other folder, nothing hidden."""


class GoldenError(AoiError):
    """The golden parts of a product are damaged, or cannot be changed so. Names the file, and what to do about it."""

    action: ClassVar[Action] = Action.REFUSE


class Part(Section):
    """A part of this product whose verdict is known."""

    image: PictureName
    sha256: Sha256
    template: PictureName | None = Field(None, description="Its own; absent: the recipe's of its field of view.")
    template_sha256: Sha256 | None = None
    passed: bool = Field(description="The verdict it must get.")
    view: Name | None = Field(None, description="Which view it shows; absent: the only one.")
    fov: int = Field(0, ge=0, le=65_535, description="Of a recipe without views; else its view has one.")
    boxes: Boxes = Field((), description="Of a bad part: where it is bad, in px of the picture.")
    by: str = Field("", max_length=80, description="Who added it.")
    when: str = Field("", max_length=40, description="UTC, ISO 8601: for people.")
    source: str = Field("", max_length=400, description="Where the picture is from: for people.")

    @property
    def name(self) -> str:
        """What it is called by: its picture's name without the ending."""
        return self.image.removesuffix(".png")

    @model_validator(mode="after")
    def _fits_together(self) -> Part:
        if (self.template is None) != (self.template_sha256 is None):
            raise ValueError("template and template_sha256 go together")
        if self.passed and self.boxes:
            raise ValueError("boxes: a part that must pass has none")
        return self


class Manifest(Section):
    """`manifest.json` of a folder of golden parts."""

    version: Literal[1] = 1
    parts: Annotated[tuple[Part, ...], Strict(False)] = Field((), max_length=MAX_PARTS)

    @model_validator(mode="after")
    def _each_once(self) -> Manifest:
        files = [file for part in self.parts for file in (part.image, part.template) if file is not None]
        if twice := sorted({file for file in files if files.count(file) > 1}):
            raise ValueError(f"parts: {', '.join(twice)}: named more than once")
        return self


@dataclass(frozen=True)
class Golden:
    """The golden parts in `folder`; `hash` is the SHA-256 of the manifest's bytes, "" where there is none."""

    folder: Path
    parts: tuple[Part, ...] = ()
    hash: str = ""

    @property
    def good(self) -> int:
        """How many must pass."""
        return sum(part.passed for part in self.parts)

    @property
    def bad(self) -> int:
        """How many must be rejected."""
        return len(self.parts) - self.good

    def of_view(self, view: str, fov: int, *, alone: bool) -> Golden:
        """The parts that show `view`, of field of view `fov`. `alone`: it is the only one, and need not be named."""
        named = [part for part in self.parts if part.view == view or (alone and part.view is None)]
        return replace(self, parts=tuple(part.model_copy(update={"fov": max(fov, 0)}) for part in named))

    def proves(self, views: Sequence[str]) -> bool:
        """Whether there is a good and a bad part of each of `views`, or of a recipe without views."""
        of_each = [self.of_view(view, 0, alone=len(views) == 1) for view in views] or [self]
        return all(parts.good and parts.bad for parts in of_each) and not self.strays(views)

    def strays(self, views: Sequence[str]) -> list[str]:
        """A line for each part that shows none of `views`, or does not say which; none: the recipe names no views."""
        there = f"views {', '.join(views)}" if views else "no views"
        unknown = [part for part in self.parts if part.view is not None and part.view not in views]
        unnamed = [part for part in self.parts if part.view is None and len(views) > 1]
        return [
            *(f"{part.name} shows view {part.view}, and the recipe has {there}" for part in unknown),
            *(f"{part.name} does not say which view it shows, and the recipe has {there}" for part in unnamed),
        ]

    def picture(self, part: Part, channels: Literal[1, 3]) -> tuple[Image, Image | None]:
        """The picture and the template of its own, (H, W, channels) uint8.

        Raises:
            GoldenError: a file is missing, or is not the one that was added.
            PictureError: a file is no picture.
        """
        image = self._read(part.image, part.sha256, channels)
        if part.template is None or part.template_sha256 is None:
            return image, None
        return image, self._read(part.template, part.template_sha256, channels)

    def check(self) -> None:
        """Hold every file against its hash. Raises GoldenError naming the first that differs."""
        for part in self.parts:
            self._verify(part.image, part.sha256)
            if part.template is not None and part.template_sha256 is not None:
                self._verify(part.template, part.template_sha256)

    def _read(self, name: str, sha256: str, channels: Literal[1, 3]) -> Image:
        return decode_picture(self._verify(name, sha256), self.folder / name, channels)

    def _verify(self, name: str, sha256: str) -> bytes:
        file = self.folder / name
        named = next(part.name for part in self.parts if name in (part.image, part.template))
        remove = f"put it back, or take the part out: aoi-daemon golden remove --recipe {self.folder.stem} {named}"
        try:
            raw = read_bytes(file)
        except PictureError as error:
            raise GoldenError(f"{error}; {remove}") from error
        found = hashlib.sha256(raw).hexdigest()
        if found != sha256:
            raise GoldenError(
                f"{file}: has SHA-256 {found[:16]}, {MANIFEST} says {sha256[:16]}; it was changed or damaged: {remove}"
            )
        return raw


def folder_of(config: Path, product: str) -> Path:
    """Where the golden parts of the recipe `product` beside `config` (line.toml) are kept."""
    return config.parent / "recipes" / f"{product}.golden"


def read_golden(folder: Path) -> Golden:
    """The golden parts in `folder`, none where it is not there. The pictures are not looked at; see `Golden.check`.

    Raises:
        GoldenError: the manifest cannot be read, or is none.
    """
    file = folder / MANIFEST
    remedy = "put it back, or remove the folder and add the parts anew"
    try:
        raw = text.read_bytes(file, _LARGEST_BYTES)
        manifest = Manifest.model_validate_json(text.decode(raw))
    except FileNotFoundError:
        return Golden(folder)
    except OSError as error:
        raise GoldenError(f"{file}: cannot be read: {error.strerror}") from error
    except text.TextError as error:
        raise GoldenError(f"{text.behind(file, error.problem)}; {remedy}") from error
    except ValidationError as error:
        problems = "; ".join(_problems(error))
        raise GoldenError(f"{file}: {problems}; {remedy}") from error
    return Golden(folder, manifest.parts, hashlib.sha256(raw).hexdigest())


def _problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors()[:5]:
        key = ".".join(map(str, problem["loc"])) or "manifest"
        yield f"{key}: {problem['msg'].removeprefix('Value error, ')}"
