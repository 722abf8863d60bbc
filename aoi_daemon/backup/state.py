"""Where the product in use is kept, asked from outside the service."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aoi_daemon.backup.faults import BackupError
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.stage.control_path import socket_path
from aoi_daemon.supervisor.product import former_paths, state_path

SERVICE_CONFIG: Final = Path("/etc/aoi-daemon")
SERVICE_DATA: Final = Path("/var/lib/aoi-daemon")


def kept_product(line: LineConfig, given: Path | None) -> Path | None:
    """The file that keeps the product in use of this line; None where there is none.

    Args:
        line: as `load` gives it.
        given: the file itself, where a person has named it.

    Raises:
        BackupError: there is none at `given`.
    """
    if given is not None:
        if not given.is_file():
            raise BackupError(f"--state {given}: is no file; `aoi-daemon run` keeps NAME.product in its state folder")
        return given
    socket = socket_path(line.supervisor.socket, line.line.name)
    places = [state_path(line.supervisor.state_folder, socket, line.line.name)]
    if line.supervisor.state_folder is None:
        places.append(SERVICE_DATA / product_name(line))
    places += [former for place in places for former in former_paths(place, socket)]
    return next((place for place in places if place.is_file()), None)


def product_name(line: LineConfig) -> str:
    """The name that the daemon looks for in a state folder."""
    return state_path(SERVICE_DATA, Path(), line.line.name).name
