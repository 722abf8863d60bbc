"""Reading and checking the configuration beside the supervisor's loop: bundles are hashed, which takes a while."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from aoi_daemon.config.load import Configuration, altered
from aoi_daemon.errors import AoiError, ConfigError
from aoi_daemon.preflight import check

SETTLE_S: Final = 0.1
"""Files that are as they were after so long are not being written: from first byte to last an editor takes less."""


class Checking:
    """A check in a thread of its own; `done`, then `found` or `error`."""

    def __init__(self, work: Callable[[], Configuration], log: Any) -> None:
        self.found: Configuration | None = None
        self.error = ""
        self._work = work
        self._log = log
        self._thread = threading.Thread(target=self._run, name="checking", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether it is known."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self.found = self._work()
        except (AoiError, OSError) as error:
            self.error = str(error)
        except Exception as error:  # noqa: BLE001  # whatever a file makes a parser do, the line runs on as it is
            self._log.exception("check_failed")
            self.error = f"the files cannot be checked: {type(error).__name__}: {error}"


def settled(file: Path, product: str, wait: Callable[[float], object]) -> Configuration:
    """`file` with all that belongs to it, checked, and as it was `SETTLE_S` later.

    Raises:
        ConfigError: something is wrong, or a file changed meanwhile.
    """
    found = check(file, product)
    wait(SETTLE_S)
    changed = altered(found)
    if changed:
        said = "changed while it was read (is it still being written?); nothing has been changed, reload again"
        raise ConfigError(changed[0], [said])
    return found
