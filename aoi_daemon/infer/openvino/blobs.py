"""Compiled models, kept beside the bundle so that the next start need not compile them.

Process: inspection, or a command; before READY. OpenVINO does not notice a flipped bit in what it reads back, nor that
it is of another file: each blob is one file that opens with what it was made of and the SHA-256 of the rest. What does
not fit, or is damaged, is compiled anew and replaced. Where the bundle's folder cannot be written to, as that of a
service may be, they are kept in the service's cache; where there is none, each start compiles.

The bundle's manifest does not name these files, so no hash of a bundle or a product changes because one appeared.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from aoi_daemon.files import make_folder, replace_file

FOLDER: Final = "compiled"
"""In the bundle's."""
ENDING: Final = ".blob"
MOST_KEPT: Final = 12
"""Blobs of one bundle: several sizes, precisions and devices; the one that was not written for longest goes."""
_MAGIC: Final = b"aoi-daemon compiled model 1\n"
_LONGEST_HEAD: Final = 64 * 1024
_LARGEST_BYTES: Final = 2**31


class Key(BaseModel):
    """All that a compiled model depends on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    onnx_sha256: str
    openvino: str
    """Version and build."""
    device: str
    """As OpenVINO names it."""
    machine: str
    """What the device says of itself: its full name, what it can, its driver, a CPU's instruction sets."""
    precision: str
    shape: tuple[int, int, int]
    options: dict[str, str]
    """That it was compiled with, threads among them."""

    @property
    def file_name(self) -> str:
        """One for each precision, device and size: what no longer fits is replaced, not kept."""
        device = re.sub(r"[^a-z0-9]", "-", self.device.lower())
        size = "x".join(map(str, self.shape))
        return f"{self.precision}.{device}.{size}{ENDING}"


class _Head(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Key
    sha256: str


def folder_of(bundle: Path, name: str) -> Path:
    """The folder that compiled models are kept in.

    Args:
        bundle: its folder.
        name: the bundle's, which tells it from others in the service's cache.
    """
    cache = os.environ.get("CACHE_DIRECTORY", "").partition(":")[0]  # from systemd; there may be several
    return Path(cache) / f"{FOLDER}-{name}" if cache and not os.access(bundle, os.W_OK) else bundle / FOLDER


def read_blob(folder: Path, key: Key) -> tuple[bytes | None, str]:
    """The compiled model of `key`, or None and why there is none ("": it was never kept)."""
    file = folder / key.file_name
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST_BYTES)
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        return None, f"{file}: cannot be read: {error.strerror}"
    line, separator, blob = content[len(_MAGIC) : len(_MAGIC) + _LONGEST_HEAD].partition(b"\n")
    if not content.startswith(_MAGIC) or not separator:
        return None, f"{file}: is no compiled model of ours"
    try:
        head = _Head.model_validate_json(line)
    except ValidationError:
        return None, f"{file}: its head cannot be read"
    blob = content[len(_MAGIC) + len(line) + 1 :]
    if head.key != key:
        differs = ", ".join(name for name in Key.model_fields if getattr(head.key, name) != getattr(key, name))
        return None, f"{file}: is of another {differs}"
    if hashlib.sha256(blob).hexdigest() != head.sha256:
        return None, f"{file}: is damaged"
    return blob, ""


def keep_blob(folder: Path, key: Key, blob: bytes) -> str:
    """Keep `blob` for the next start; why it was not kept, "" where it was.

    One file, so that what it is of and what it holds are replaced together, also by two processes at a time.
    """
    head = _Head(key=key, sha256=hashlib.sha256(blob).hexdigest()).model_dump_json().encode()
    try:
        make_folder(folder)
        replace_file(folder / key.file_name, _MAGIC + head + b"\n" + blob)
    except OSError as error:
        return f"{folder}: the compiled model cannot be kept ({error.strerror}), each start compiles it anew"
    _drop_oldest(folder)
    return ""


def drop_blob(folder: Path, key: Key) -> None:
    """Forget what the device did not take; a folder that cannot be written to keeps it, and each start finds so."""
    with contextlib.suppress(OSError):
        (folder / key.file_name).unlink()


def _drop_oldest(folder: Path) -> None:
    """Down to `MOST_KEPT`. A wrong clock at worst drops one that would have been used: it is compiled again."""
    with contextlib.suppress(OSError):
        found = sorted(folder.glob(f"*{ENDING}"), key=lambda file: file.stat().st_mtime_ns)
        for file in found[:-MOST_KEPT]:
            file.unlink(missing_ok=True)
