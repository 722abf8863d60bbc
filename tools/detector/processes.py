"""The end of worker processes, and of the queues that they share with who started them."""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from typing import Any


def end(workers: Sequence[BaseProcess], queues: Sequence[Any]) -> None:
    """Terminate `workers`, wait for them, and close `queues`: what nobody has read is dropped."""
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join()
    for line in queues:
        line.close()
        line.cancel_join_thread()
