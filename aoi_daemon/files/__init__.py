"""Files that are whole or not there, whatever happens while they are written."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def replace_file(file: Path, content: bytes, mode: int = 0o644) -> None:
    """Write `file` whole or not at all, and through to the disk: power may be lost at any time.

    Args:
        file: what to write; its folder must be there.
        content: what is in it then.
        mode: who may read it; everybody unless told: who writes a bundle is rarely who runs it.

    Raises:
        OSError: it cannot be written; what was there is untouched, as it is when this is interrupted.
    """
    handle, partial = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            os.fchmod(out.fileno(), mode)
            out.flush()
            os.fsync(out.fileno())
        Path(partial).replace(file)
    except BaseException:  # Ctrl-C in a long build too: nothing half-written is left beside it
        with contextlib.suppress(OSError):
            Path(partial).unlink()
        raise
