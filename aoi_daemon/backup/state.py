"""Where the product in use is kept, asked from outside the service."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aoi_daemon.backup.faults import BackupError
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.control import SOCKET_NAME, socket_path
from aoi_daemon.supervisor.product import state_file

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
    found = state_file(line.supervisor.state_folder, socket_path(line.supervisor.socket))
    if line.supervisor.state_folder is None and not found.is_file():
        found = SERVICE_DATA / product_name(line, SERVICE_DATA)
    return found if found.is_file() else None


def product_name(line: LineConfig, data: Path) -> str:
    """The name that the daemon looks for in `data`."""
    if line.supervisor.socket is None and data == SERVICE_DATA:
        return f"{Path(SOCKET_NAME).stem}.product"
    return f"{socket_path(line.supervisor.socket).stem}.product"
