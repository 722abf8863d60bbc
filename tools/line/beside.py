"""What a simulated line has beside its path: the records, the operator's page with users, and a browser that looks."""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from aoi_daemon.hmi.access.password import keep
from aoi_daemon.hmi.access.users import Role, User, change_users
from aoi_daemon.kit.line.daemon import DaemonError

PAGE_PORT: Final = 8080
_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
_FLAGS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic", "--remote-debugging-port=0",
    "--window-size=1280,800",
)  # fmt: skip


def sections(port: int, records: Path | None = None) -> dict[str, Any]:
    """`[recorder]` and `[hmi]` of line.toml; `records` outlives the line, else they go with its folder."""
    folder = "records" if records is None else str(records.resolve())
    return {"recorder": {"folder": folder}, "hmi": {"port": port}}


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


@contextmanager
def browser_at(url: str) -> Iterator[None]:
    """A headless Chromium that has `url` open. Raises FileNotFoundError where there is none."""
    program = next((found for name in _BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        raise FileNotFoundError(f"none of {', '.join(_BROWSERS)} is installed; on Debian: apt-get install chromium")
    with ExitStack() as owned:
        profile = owned.enter_context(tempfile.TemporaryDirectory(prefix="aoi-browser-", ignore_cleanup_errors=True))
        browser = subprocess.Popen(
            [program, *_FLAGS, f"--user-data-dir={profile}", url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        owned.callback(browser.wait)
        owned.callback(browser.kill)
        yield
        if browser.poll() is not None:
            raise DaemonError(f"the browser ended with code {browser.returncode}")
