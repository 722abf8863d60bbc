"""Boards in one small file: a machine with a GPU and nothing else can be given it.

A one-bit board is kept as its template's bits and the bits in which the board under test differs, eight of a
row to a byte and the bytes column by column: what is alike lies together, and compresses by a third more.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.kit.boards.labels import BoardsError, Pair
from tools.detector.data import TILE_PX, Tiles, empty_tiles, load_tiles

WHITE: Final = 255


@dataclass(frozen=True)
class Packed:
    """What a packed file holds.

    Attributes:
        tiles: one a board.
        names: of the boards.
        generated: bool [N], boards that were generated.
    """

    tiles: Tiles
    names: tuple[str, ...]
    generated: NDArray[np.bool_]


def pack(scans: list[Pair], generated: list[Pair], path: Path, threads: int) -> int:
    """Write boards to `path` (.npz); returns its size in bytes.

    Raises:
        BoardsError: a board is not one-bit or not of a tile's size, or the file cannot be written.
    """
    pairs = [*scans, *generated]
    for pair in pairs:
        if (pair.width_px, pair.height_px) != (TILE_PX, TILE_PX):
            raise BoardsError(
                f"{pair.test_path}: is {pair.width_px}x{pair.height_px} px; "
                f"crossval takes boards of {TILE_PX}x{TILE_PX} px"
            )
    tiles = load_tiles(pairs, threads)
    for pair, binary in zip(pairs, tiles.binary, strict=True):
        if not binary:
            raise BoardsError(
                f"{pair.test_path}: is not a one-bit scan (levels 0 and 255 alone); crossval takes no others"
            )
    bits = np.packbits(tiles.images, axis=-1)
    bits[:, 0] ^= bits[:, 1]
    bits = bits.transpose(0, 1, 3, 2)
    try:
        with path.open("wb") as file:
            np.savez_compressed(
                file,
                bits=bits,
                boxes=tiles.boxes,
                classes=tiles.classes,
                names=np.array([pair.name for pair in pairs]),
                generated=np.arange(len(pairs)) >= len(scans),
            )
    except OSError as e:
        raise BoardsError(f"{path}: cannot be written: {e.strerror}") from e
    return path.stat().st_size


def unpack(path: Path) -> Packed:
    """Read what `pack` wrote.

    Raises:
        BoardsError: missing, damaged, or another file.
    """
    bits, boxes, classes, names, generated = _read(path, "bits", "boxes", "classes", "names", "generated")
    bits = np.ascontiguousarray(bits.transpose(0, 1, 3, 2))
    bits[:, 0] ^= bits[:, 1]
    images = np.unpackbits(bits, axis=-1)
    images *= WHITE
    areas = empty_tiles(len(images), 0).areas
    tiles = Tiles(images, boxes, classes, np.ones(len(images), np.bool_), areas)
    return Packed(tiles, tuple(str(name) for name in names), generated)


def read_names(path: Path) -> tuple[list[str], int]:
    """The scans' names in their places, the first of all boards, and how many generated ones follow.

    Raises:
        BoardsError: as `unpack`.
    """
    names, generated = _read(path, "names", "generated")
    return [str(name) for name in names[~generated]], int(generated.sum())


def _read(path: Path, *wanted: str) -> list[NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return [file[name] for name in wanted]
    except FileNotFoundError as e:
        raise BoardsError(f"{path}: no such file") from e
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as e:
        raise BoardsError(f"{path}: is not a file that `crossval pack` wrote, or is damaged: {e}") from e
