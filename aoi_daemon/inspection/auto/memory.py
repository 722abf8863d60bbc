"""What was measured, kept over restarts: a small file beside the one that keeps the product in use.

Process: inspection reads it at its start and writes it after a measurement; commands read it. A file that is damaged,
or another user's, is as good as none: it is measured anew.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import ConfigDict, Field

from aoi_daemon.config.section import Section
from aoi_daemon.files import replace_file
from aoi_daemon.inspection.auto.choice import Table
from aoi_daemon.inspection.auto.lane_choice import LaneTable

T = TypeVar("T")
MOST_TABLES: Final = 64
_MAX_BYTES: Final = 2 * 1024 * 1024
_WRITE_S: Final = 2.0


class Kept(Section):
    """What is in the file; see `machine.key` for what a table is found by. A later version may add to it."""

    model_config = ConfigDict(extra="ignore")

    version: int = Field(1, ge=1, le=1)
    tables: dict[str, Table] = Field({})
    lanes: dict[str, LaneTable] = Field({})


def _with(tables: Mapping[str, T], name: str, table: T) -> dict[str, T]:
    """`tables` with one more, the newest of them last."""
    others = [(each, kept) for each, kept in tables.items() if each != name]
    return dict([*others, (name, table)][-MOST_TABLES:])


class Memory:
    """The tables in `file`; `log` hears what is wrong with it, and what is done about it."""

    def __init__(self, file: Path, log: Any) -> None:
        self._file = file
        self._log = log

    def find(self, key: str, product: str, run: str) -> Table | None:
        """What was measured under `key`: for this product alone, or for all; None where it must be measured.

        Args:
            key: by `machine.key`.
            product: the recipe's file without its ending.
            run: this start of the daemon; "" for a command, which takes what each start may.
        """
        tables = self._read().tables
        found = tables.get(f"{key}/{product}") or tables.get(key)
        return found if found is not None and found.run in ("", run) else None

    def keep(self, key: str, product: str, table: Table) -> None:
        """Keep `table` under `key`; for one product alone where `product` is not empty."""
        name = f"{key}/{product}" if product else key
        kept = self._read()
        self._keep(kept.model_copy(update={"tables": _with(kept.tables, name, table)}))

    def find_lanes(self, key: str, run: str) -> LaneTable | None:
        """What was measured of lanes under `key`; see `find`."""
        found = self._read().lanes.get(key)
        return found if found is not None and found.run in ("", run) else None

    def keep_lanes(self, key: str, table: LaneTable) -> None:
        """Keep what was measured of lanes under `key`."""
        kept = self._read()
        self._keep(kept.model_copy(update={"lanes": _with(kept.lanes, key, table)}))

    def _keep(self, kept: Kept) -> None:
        # A thread, waited for not for ever: a disk that hangs must not hold up the line's start.
        writer = threading.Thread(target=self._write, args=(kept,), name="engines", daemon=True)
        writer.start()
        writer.join(_WRITE_S)

    def _read(self) -> Kept:
        try:
            with os.fdopen(os.open(self._file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
                owner, folder = os.fstat(file.fileno()).st_uid, self._file.parent.stat()
                # Beside a socket in /tmp anybody may put a file of this name.
                if owner != os.geteuid() and (owner != folder.st_uid or folder.st_mode & stat.S_IWOTH):
                    raise ValueError("belongs to another user")
                return Kept.model_validate_json(file.read(_MAX_BYTES))
        except FileNotFoundError:
            return Kept()
        except (OSError, ValueError) as error:
            said = " ".join(str(error).split())[:400]
            self._log.warning("engines_not_read", file=str(self._file), error=said, action="measured anew")
            return Kept()

    def _write(self, kept: Kept) -> None:
        try:
            replace_file(self._file, kept.model_dump_json().encode() + b"\n", 0o644)
        except OSError as error:
            self._log.warning(
                "engines_not_kept", file=str(self._file), error=str(error),
                action="measured anew at each start of inspection",
            )  # fmt: skip
