"""What is wrong with a records folder, for whoever opens it."""

from __future__ import annotations

from typing import ClassVar

from aoi_daemon.errors import Action, AoiError


class RecordsError(AoiError):
    """The records cannot be opened or used. Names the file, and what to do about it."""

    action: ClassVar[Action] = Action.REFUSE


class DamagedError(RecordsError):
    """The database's pages do not fit together; the recorder moves it aside and begins a new one."""
