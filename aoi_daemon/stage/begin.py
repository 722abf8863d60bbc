"""How a stage begins: `aoi-daemon stage NAME FD`, as the supervisor starts it. Loads no command of a person's."""

from __future__ import annotations

import importlib
import os
import sys

from aoi_daemon.ring.parcel import MessageError
from aoi_daemon.stage.stage import Stage


def begin(name: str, control_fd: int) -> int:
    """Be the stage `name` until the process ends with it; 1 where the supervisor is gone before it has begun."""
    try:
        stage = Stage(control_fd)
    except MessageError as error:
        sys.stderr.write(f"aoi-daemon: stage {name}: {error}\n")
        return 1
    try:
        # Each process loads what it needs and no more: a restart is as quick as its imports.
        importlib.import_module(f"aoi_daemon.{name}.main").main(stage)
    except Exception:
        stage.log.exception("stage_failed")
        sys.stderr.flush()
        # Not through the interpreter's clean-up, which waits for a vendor's threads.
        os._exit(1)
    sys.stderr.flush()
    os._exit(0)
