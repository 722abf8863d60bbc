"""What the offline commands refuse, and what of it is the caller's to mend.

Process: offline.
"""

from __future__ import annotations

from typing import ClassVar

from aoi_daemon.errors import Action, AoiError


class RefusedError(AoiError):
    """A precision that was asked for may not ship: it is not put into a bundle."""

    action: ClassVar[Action] = Action.REFUSE


class InputError(AoiError):
    """A command cannot begin: a package, a folder or a file is not as it needs it."""

    action: ClassVar[Action] = Action.REFUSE
