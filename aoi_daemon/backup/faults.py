"""What can be wrong with a backup."""

from __future__ import annotations

from typing import ClassVar

from aoi_daemon.errors import Action, AoiError


class BackupError(AoiError):
    """A backup cannot be made, or not be restored. Names the file and the remedy; nothing of the line was changed."""

    action: ClassVar[Action] = Action.REFUSE
