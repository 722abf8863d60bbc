"""What the records' clock keeps over restarts: a small file in the records folder, replaced at once.

Process: recorder, its disk thread. Blocks: on the disk. A file that is not there, is damaged or is of something else
is no error: `RecordsClock` then takes the safe reading, by which nothing is due at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field

from aoi_daemon.config.section import Section
from aoi_daemon.files import replace_file
from aoi_daemon.files.text import TextError, read_bytes

FILE: Final = "clock.json"
_MOST_BYTES: Final = 64 * 1024
MOST_S: Final = 1e11
"""The year 5138: nothing beyond it is a time, or a length of time."""


def within(seconds: float, least: float = 0.0) -> float:
    """`seconds` held to `least` .. MOST_S, what can be read again: a damaged file may have brought it beyond."""
    return max(least, min(seconds, MOST_S))


_Row = Annotated[int, Field(ge=0, le=2**62)]
_Rows = Annotated[dict[Annotated[str, Field(max_length=64)], _Row], Field(max_length=64)]
"""The newest row of each table, within what SQLite can hold."""


class Doubt(Section):
    """The wall clock is not believed."""

    model_config = ConfigDict(extra="ignore")

    since_s: float = Field(ge=0, le=MOST_S, description="When that began, by the records' clock.")
    why: str = Field(max_length=400)


class Step(Section):
    """The records' clock was set. Of the rows up to `last` (by table) the age is told by their date plus `shift_s`.

    `own`: these were there before the clock knew anything; a later step does not move them.
    """

    model_config = ConfigDict(extra="ignore")

    last: _Rows
    shift_s: float = Field(0.0, ge=-MOST_S, le=MOST_S)
    own: bool = False


class Restored(Section):
    """These records came from a backup, and no recorder has opened them yet."""

    model_config = ConfigDict(extra="ignore")

    records: str = Field(max_length=64)
    steps: list[Step] = Field(max_length=64)
    doubted_s: float | None = Field(
        ge=0, le=MOST_S, description="The records' clock when the backup was made, where it was in doubt."
    )
    here: bool = Field(description="Whether the rest of the file is known of this PC's clock; else it says nothing.")


class Kept(Section):
    """The clock as it was at one moment; see `RecordsClock` for what each means. A later version may add to it."""

    model_config = ConfigDict(extra="ignore")

    records: str = Field(max_length=64)
    boot: str = Field(max_length=64)
    boot_s: float = Field(ge=0, le=MOST_S)
    awake_s: float = Field(ge=0, le=MOST_S)
    now_s: float = Field(ge=0, le=MOST_S)
    behind_s: float = Field(ge=0, le=MOST_S)
    stretch_s: float = Field(ge=-86_400, le=86_400)
    off_s: float = Field(ge=0, le=MOST_S)
    paced: bool
    doubt: Doubt | None
    steps: list[Step] = Field(max_length=64)
    before_boot: _Rows
    restored: Restored | None = None


def after_restore(backup: Kept | None, here: Kept | None) -> Kept:
    """What to keep where records come from a backup that kept `backup`, onto a PC that has kept `here`.

    How the rows' dates are to be read goes with the rows. Boot, time and doubt are a PC's, and stay with it.
    """
    restored = Restored(records="", steps=[], doubted_s=None, here=False)
    if backup is not None:
        doubted_s = backup.now_s if backup.doubt is not None else None
        of = backup.restored or Restored(records=backup.records, steps=backup.steps, doubted_s=doubted_s, here=True)
        restored = of.model_copy(update={"here": False})
    if here is not None and (here.restored is None or here.restored.here):
        return here.model_copy(update={"restored": restored.model_copy(update={"here": True})})
    return Kept(
        records="", boot="", boot_s=0, awake_s=0, now_s=0, behind_s=0, stretch_s=0, off_s=0, paced=True, doubt=None,
        steps=[], before_boot={}, restored=restored,
    )  # fmt: skip


def read_kept(file: Path) -> Kept:
    """What is kept in `file`. Raises OSError, TextError, ValueError: there is nothing that can be used."""
    return Kept.model_validate_json(read_bytes(file, _MOST_BYTES))


def known(file: Path) -> Kept | None:
    """The same; None where there is nothing that can be used: nothing is known then, which is safe."""
    try:
        return read_kept(file)
    except (OSError, TextError, ValueError):
        return None


def write_kept(file: Path, kept: Kept) -> None:
    """Replace `file`. Raises OSError."""
    replace_file(file, kept.model_dump_json(indent=1).encode() + b"\n", 0o640)


class ClockFile:
    """`clock.json` of the records in `folder`."""

    def __init__(self, folder: Path, log: Any) -> None:
        self.path = folder / FILE
        self._log = log
        self._failed = False

    def read(self) -> Kept | None:
        """What is kept; None where there is nothing, or nothing that can be used (which is logged)."""
        try:
            return read_kept(self.path)
        except FileNotFoundError:
            return None
        except (OSError, TextError, ValueError) as error:
            self._log.warning(
                "clock_not_read", file=str(self.path), error=str(error),
                action="the records are taken as they are dated; nothing is deleted by age at once",
            )  # fmt: skip
            return None

    def write(self, kept: Kept) -> None:
        """Keep this; a disk that does not take it is told of once, and asked again the next time."""
        try:
            write_kept(self.path, kept)
        except OSError as error:
            if not self._failed:
                self._log.warning("clock_not_kept", file=str(self.path), error=str(error))
            self._failed = True
        else:
            self._failed = False
