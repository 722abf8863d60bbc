"""A browser that looks at a simulated line's page, for the benches."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from aoi_daemon.kit.line.daemon import DaemonError

_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
_FLAGS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic", "--remote-debugging-port=0",
    "--window-size=1280,800",
)  # fmt: skip


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
