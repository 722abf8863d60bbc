"""Keep this process' own answer to SIGINT where a vendor's library installs one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def sigint_kept() -> Iterator[None]:
    """Undo the SIGINT handler that harvesters installs: it would tear the camera down under us."""
    # Blocked meanwhile: a signal that comes between the two handlers finds ours.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    ours = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():  # elsewhere harvesters installs none
            signal.signal(signal.SIGINT, signal.SIG_DFL if ours is None else ours)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
