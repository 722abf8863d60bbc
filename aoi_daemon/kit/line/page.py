"""What a simulated line has off its critical path: the records, and the operator's page with users."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path
from typing import Any, Final

from aoi_daemon.hmi.access.password import keep
from aoi_daemon.hmi.access.users import Role, User, change_users
from aoi_daemon.kit.line.daemon import DaemonError

PAGE_PORT: Final = 8080


def sections(port: int, records: Path | None = None) -> dict[str, Any]:
    """`[recorder]` and `[hmi]` of line.toml; `records` outlives the line, else they go with its folder."""
    return {**records_section(Path("records") if records is None else records.resolve()), "hmi": {"port": port}}


def records_section(folder: Path) -> dict[str, Any]:
    """`[recorder]` of line.toml: records in `folder`."""
    return {"recorder": {"folder": str(folder)}}


def free_port(wanted: int = PAGE_PORT) -> int:
    """`wanted` where it is free on this machine, else some free port."""
    for port in (wanted, 0):
        with socket.socket() as found:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                found.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(found.getsockname()[1])
    raise DaemonError("no TCP port is free on this machine")


def make_users(folder: Path) -> str:
    """One user for each role, named as the role, in `folder`/users.toml; the password of all of them."""
    password = "-".join(secrets.token_hex(2) for _ in range(3))
    kept = keep(password)
    folder.mkdir(parents=True, exist_ok=True)
    change_users(
        folder / "users.toml", lambda users: users.update({role.value: User(role.value, role, kept) for role in Role})
    )
    return password
