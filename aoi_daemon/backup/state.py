"""Where the product in use is kept, asked from outside the service."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aoi_daemon.backup.faults import BackupError
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.control_path import old_socket_path, socket_path
from aoi_daemon.supervisor.product import state_path

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
    socket = _socket(line)
    found = state_path(line.supervisor.state_folder, socket)
    places = [found]
    if line.supervisor.state_folder is None:
        places.append(SERVICE_DATA / product_name(line, SERVICE_DATA))
    # 0.1.0 called the socket, and with it this file, the same for every line.
    places += [place.with_name(f"{old_socket_path(socket).stem}.product") for place in places]
    return next((place for place in places if place.is_file()), None)


def product_name(line: LineConfig, data: Path) -> str:
    """The name that the daemon looks for in `data`."""
    if line.supervisor.socket is None and data == SERVICE_DATA:
        return f"aoi-daemon-{line.line.name}.product"
    return f"{_socket(line).stem}.product"


def _socket(line: LineConfig) -> Path:
    return socket_path(line.supervisor.socket, line.line.name)
