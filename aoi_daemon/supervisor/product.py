"""Which product is in use, kept over restarts of the daemon.

A small file in the state folder, replaced at once. A thread writes it: a disk
that hangs must not hold up the supervisor.
"""

from __future__ import annotations

import contextlib
import os
import queue
import tempfile
import threading
from pathlib import Path
from typing import Any, Final

from pydantic import ConfigDict, Field

from aoi_daemon.config.load import Configuration
from aoi_daemon.config.section import Name, Section
from aoi_daemon.errors import ConfigError
from aoi_daemon.files import replace_file
from aoi_daemon.stage.control_path import old_socket_path
from aoi_daemon.stage.control_path import state_path as kept_at

_SUFFIX: Final = ".product"
_MAX_BYTES: Final = 4096
_LAST_WRITE_S: Final = 1.0


class Grace(Section):
    """A recipe that parts were judged by before proof of the product was asked for; see supervisor/proofs.py."""

    model_config = ConfigDict(extra="ignore")

    recipe: str = Field(min_length=1, max_length=255, description="The name of its file.")
    used_s: float = Field(0.0, ge=0, description="How long it has run without golden parts since then.")
    judges: str = Field("", description="Configuration.judges of the recipe; empty: kept before anybody looked at it.")


class Kept(Section):
    """What is kept. A later version may add to it, so unknown keys are passed over."""

    model_config = ConfigDict(extra="ignore")

    recipe: str = Field(min_length=1, max_length=255, description="The product in use: the name of its file.")
    start: Name = Field(description="line.recipe at that time: whoever has edited it since means something by it.")
    asked: int = Field(0, ge=0, le=0xFFFF, description="The id that the PLC asked for last.")
    version: int = Field(1, ge=1, description="1: by a version that asked for no proof of the product.")
    grace: Grace | None = Field(None, description="Of the product in use, where it has one.")


def state_path(configured: Path | None, socket: Path, line: str) -> Path:
    """Where it is kept."""
    return kept_at(configured, socket, line, _SUFFIX)


def former_paths(path: Path, socket: Path) -> list[Path]:
    """Where an older version kept it: by the socket's name, which 0.1.0 gave every line alike."""
    stems = dict.fromkeys((socket.stem, old_socket_path(socket).stem))
    return [former for stem in stems if (former := path.with_name(f"{stem}{_SUFFIX}")) != path]


def state_file(configured: Path | None, socket: Path, line: str) -> Path:
    """`state_path`, for the daemon itself: what an older version kept is there from now on."""
    found = state_path(configured, socket, line)
    for former in former_paths(found, socket):
        if not found.exists():
            with contextlib.suppress(OSError):
                former.rename(found)
    return found


def of_another_name(path: Path) -> str:
    """What to say where nothing is kept at `path`, but something of another line beside it; else "".

    Was this line renamed? Whether it was cannot be told, and which product is on the line must not be guessed. Only of
    a state folder, with `path` of the line's name: beside a socket, in /tmp, may lie anybody's.
    """
    if path.exists() or path.parent in (Path(tempfile.gettempdir()), Path(os.environ.get("XDG_RUNTIME_DIR", "/run"))):
        return ""
    others = sorted(other.name for other in path.parent.glob(f"*{_SUFFIX}"))
    if not others:
        return ""
    return (
        f"nothing is kept at {path}, but {', '.join(others)} beside it: if this line had another name, the product "
        "that was in use is there; line.recipe is in use now, `aoi-daemon recipe NAME` changes over"
    )


def choose(configuration: Configuration, kept: Kept | None) -> tuple[Configuration, str]:
    """`configuration` with the product in use to start with; and what is wrong with it, "" where nothing is."""
    start = configuration.line.line.recipe
    if kept is None or kept.start != start or kept.recipe == start:
        return configuration, ""
    if kept.recipe not in configuration.recipes:
        return configuration, f"{kept.recipe}, in use before the restart, is gone; {start} (line.recipe) is in use"
    try:
        return configuration.with_product(kept.recipe), ""
    except ConfigError as error:
        return configuration, f"{kept.recipe}, in use before the restart: {error}; {start} (line.recipe) is in use"


class ProductFile:
    """Reads and writes the file `path`."""

    def __init__(self, path: Path, log: Any) -> None:
        self.path = path
        self._log = log
        self._to_write: queue.SimpleQueue[Kept | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None

    def read(self) -> Kept | None:
        """What is kept; None where there is nothing, or nothing that can be used (which is logged)."""
        try:
            with os.fdopen(os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
                if os.fstat(file.fileno()).st_uid != os.geteuid():
                    # Beside a socket in /tmp anybody may put a file of this name.
                    raise ValueError("belongs to another user")
                return Kept.model_validate_json(file.read(_MAX_BYTES))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self._log.warning("product_not_read", file=str(self.path), error=str(error), action="line.recipe is used")
            return None

    def write(self, kept: Kept) -> None:
        """Keep this, soon."""
        if self._writer is None:
            self._writer = threading.Thread(target=self._write_all, name="product", daemon=True)
            self._writer.start()
        self._to_write.put(kept)

    def close(self) -> None:
        """What was to be kept is, unless the disk hangs."""
        if self._writer is not None:
            self._to_write.put(None)
            self._writer.join(_LAST_WRITE_S)

    def _write_all(self) -> None:
        while (kept := self._to_write.get()) is not None:
            try:
                replace_file(self.path, kept.model_dump_json().encode() + b"\n", 0o600)
            except OSError as error:
                self._log.error(
                    "product_not_kept", file=str(self.path), error=str(error),
                    action="after a restart line.recipe is in use", recipe=kept.recipe,
                )  # fmt: skip
