"""The publisher's parts put together as its process does, and turned by the test: real sockets, no process to start."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aoi_daemon.config.publisher import PublisherSection
from aoi_daemon.kit.line.daemon import DaemonError
from aoi_daemon.publisher.access import Access
from aoi_daemon.publisher.live import Live
from aoi_daemon.publisher.main import Publisher
from aoi_daemon.ring.events import EventReader
from tests.unit.publisher.mosquitto import Subscriber
from tests.unit.publisher.published_line import PublishedLine, as_wanted

QUICK = {"host": "127.0.0.1", "answer_s": 1.0, "reconnect_max_s": 0.5}
RUN = "f" * 32


class SteppedPublisher(PublishedLine):
    """Of the records in `folder`/records; `section` is its part of line.toml. It goes on while the test waits."""

    def __init__(self, folder: Path, **section: Any) -> None:
        super().__init__()
        self.live = Live(self.board, EventReader(self._event_memory, from_start=True), "board-a")
        found = PublisherSection.model_validate_json(json.dumps({**QUICK, **section}))
        self._publisher = Publisher(Access(found, "line-1", folder), folder / "records", self.live, RUN, 50.0)

    @property
    def unconfirmed(self) -> int:
        """Messages on their way."""
        return self._publisher._link._broker.unconfirmed

    def until(self, timeout_s: float = 15.0, **wanted: Any) -> None:
        """Until each fact is as wanted; a text: contains it."""
        self.until_true(lambda: as_wanted(self._publisher.facts(), wanted), str(wanted), timeout_s)

    def until_true(self, condition: Callable[[], Any], what: str = "", timeout_s: float = 15.0) -> None:
        end_s = time.monotonic() + timeout_s
        while not condition():
            self._publisher.step()
            if time.monotonic() > end_s:
                raise DaemonError(f"waited {timeout_s:g} s in vain for {what}; it says {self._publisher.facts()}")

    def until_parts(self, subscriber: Subscriber, parts: set[int], timeout_s: float = 20.0) -> None:
        """Until `subscriber` has the results of all these."""
        self.until_true(lambda: parts <= set(subscriber.results()), f"{len(parts)} results", timeout_s)

    def __enter__(self) -> SteppedPublisher:
        return self

    def __exit__(self, *_: object) -> None:
        self._publisher.close()
        self.close_memory()
