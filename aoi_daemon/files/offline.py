"""How a command that writes files ends when it is interrupted, or when the disk does not take them.

Process: offline. This module is loaded by every command, so it loads nothing itself.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable


def run_offline(work: Callable[[], int]) -> int:
    """Run `work`, which leaves nothing half-written however it ends; the exit code.

    `work`'s own; 130 where it is interrupted; 1 where the disk is full or a folder may not be written.
    """
    # A stop by the service manager or a time limit cleans up as Ctrl-C does.
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return work()
    except KeyboardInterrupt:
        sys.stderr.write("aoi-daemon: interrupted, nothing was written\n")
        return 130
    except BrokenPipeError:
        raise  # whoever read our output has seen enough: the command line's to answer
    except OSError as error:  # a full disk, a folder that may not be written
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"aoi-daemon: {where}{error.strerror}; nothing was written\n")
        return 1
    finally:
        signal.signal(signal.SIGTERM, previous)
