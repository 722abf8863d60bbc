"""What acquire and inspection say, in an order in which no judgement is of a part that is not known yet.

Process: plc. Blocks: nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Container

from aoi_daemon.messages import ANNOUNCEMENT, JUDGEMENT, Announcement, Judgement
from aoi_daemon.ring.doorbell import drain


def read_doorbells(
    ready: Container[int], announcements_fd: int, judgements_fd: int, knows: Callable[[Judgement], bool],
    read: Callable[[int, int], bytes],
) -> tuple[list[Announcement], list[Judgement]]:  # fmt: skip
    """What waits at both, to be taken in in this order: announcements, then judgements.

    A part's announcement was written before its judgement. So the judgements are read first: whatever has been
    announced is there by then. What `ready` (of the one moment in which select looked) says of the announcements
    is too old for that. They are left alone only where `knows` says that each judgement's has been taken in. `read`:
    `Wait.read`.
    """
    judged = list(drain(judgements_fd, Judgement.unpack, JUDGEMENT.size, read)) if judgements_fd in ready else []
    if announcements_fd not in ready and all(map(knows, judged)):
        return [], judged
    return list(drain(announcements_fd, Announcement.unpack, ANNOUNCEMENT.size, read)), judged
