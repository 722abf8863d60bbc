"""Open a bundle: the manifest, and the proof that every file is the one it names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from aoi_daemon.config.boxes import Box
from aoi_daemon.config.recipe import Manifest
from aoi_daemon.errors import ModelError, PictureError
from aoi_daemon.infer.executor import frame_problems
from aoi_daemon.infer.exports import check_in_one_file
from aoi_daemon.pictures import decode_picture, read_bytes

MANIFEST: Final = "manifest.json"


class GoldenImage(NamedTuple):
    """A golden part, decoded: (H, W, C) uint8 each, the verdict that it must get, and where it is bad."""

    name: str
    image: NDArray[np.uint8]
    template: NDArray[np.uint8] | None
    passed: bool
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files were all there and unaltered when it was loaded.

    `hash` is the SHA-256 of the manifest's bytes, as hex: the manifest holds
    the hash of every other file, so it stands for all of them.
    """

    manifest: Manifest
    folder: Path
    hash: str

    def model_path(self, precision: str) -> Path:
        """The ONNX file of `precision`. Raises ModelError where the bundle has none."""
        for name, model in self.manifest.models.items():
            if name == precision:
                return self.folder / model.file
        there = ", ".join(self.manifest.models)
        raise ModelError(f"{self.folder / MANIFEST}: there is no model of precision {precision} (there: {there})")

    def golden(self) -> Iterator[GoldenImage]:
        """The golden parts, decoded one at a time.

        Raises:
            ModelError: an image is not readable, was changed since the bundle was loaded, or its size is not one
                that the model takes.
        """
        for part in self.manifest.golden:
            image = self._read(part.image, part.sha256)
            template = None if part.template is None else self._read(part.template, str(part.template_sha256))
            if template is not None and template.shape != image.shape:
                raise ModelError(
                    f"{self.folder / str(part.template)}: is {template.shape}, its part {part.image} is {image.shape}"
                )
            yield GoldenImage(part.image, image, template, part.passed, part.boxes)

    def _read(self, name: str, sha256: str) -> NDArray[np.uint8]:
        try:
            raw = read_bytes(self.folder / name)
            _same(self.folder / name, raw, sha256)
            image = decode_picture(raw, self.folder / name, self.manifest.channels)
        except PictureError as error:
            raise ModelError(str(error)) from error
        height, width, channels = image.shape
        problems = frame_problems((height, width, channels), self.manifest)
        if problems:
            raise ModelError(f"{self.folder / name}: " + "; ".join(problems))
        return image


def load_bundle(folder: Path) -> Bundle:
    """Read `folder`/manifest.json and check every file that it names by its hash.

    Raises:
        ModelError: naming the file, and what to do about it.
    """
    file = folder / MANIFEST
    raw = _bytes(file, "name a bundle's folder in the recipe")
    try:
        manifest = Manifest.model_validate_json(raw)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'manifest'}: {problem['msg']}" for problem in error.errors()
        )
        raise ModelError(f"{file}: {problems}; prepare the bundle again") from error
    models = {model.file for model in manifest.models.values()}
    for name, sha256 in _files(manifest):
        content = _verify(file, name, sha256)
        if name in models:
            check_in_one_file(folder / name, content)
    return Bundle(manifest, folder, hashlib.sha256(raw).hexdigest())


def _files(manifest: Manifest) -> Iterator[tuple[str, str]]:
    for model in manifest.models.values():
        yield model.file, model.sha256
    for part in manifest.golden:
        yield part.image, part.sha256
        if part.template is not None and part.template_sha256 is not None:
            yield part.template, part.template_sha256


def _verify(manifest_file: Path, name: str, sha256: str) -> bytes:
    """The file's bytes, once they are the manifest's."""
    folder = manifest_file.parent
    # Resolved, then compared: a link that leads out of the folder is no better than `..`.
    if "\0" in name or not (folder / name).resolve().is_relative_to(folder.resolve()):
        raise ModelError(f"{manifest_file}: {name!r} is not inside the bundle; copy the file into the folder")
    raw = _bytes(folder / name, "the bundle is incomplete, copy it again")
    _same(folder / name, raw, sha256)
    return raw


def _same(file: Path, raw: bytes, sha256: str) -> None:
    found = hashlib.sha256(raw).hexdigest()
    if found != sha256:
        raise ModelError(
            f"{file}: has SHA-256 {found}, {MANIFEST} says {sha256}; it was changed or damaged, copy the bundle again"
        )


def _bytes(file: Path, remedy: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file}: cannot be read: {error.strerror}; {remedy}") from error
