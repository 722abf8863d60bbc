"""The publisher: results and alarms from the records to an MQTT broker.

Process: publisher, off the critical path. Blocks: up to 0.1 s for the broker. Memory:
reads the board and the event ring; results come from the records, so that a
broker that is away, or a publisher that was killed, costs none.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from aoi_daemon.config.lens import Lens
from aoi_daemon.config.publisher import rate_per_s
from aoi_daemon.publisher.access import Access
from aoi_daemon.publisher.backlog import Backlog
from aoi_daemon.publisher.link import Link
from aoi_daemon.publisher.live import Live
from aoi_daemon.publisher.source import Source
from aoi_daemon.ring import events
from aoi_daemon.stage.stage import Stage

_TELL_S: Final = 1.0
_DAY_S: Final = 86_400.0


class Publisher:
    """All of it, to be turned by `step`."""

    def __init__(
        self, access: Access, records: Path, live: Live, run: str, takt_ms: float, *,
        lenses: Mapping[str, Lens] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        section = access.section
        source = Source(records, access.line, passes=section.include_passes, lenses=lenses)
        self._access = access
        self._backlog = Backlog(source, records, section.backlog_days * _DAY_S)
        self._link = Link(access, self._backlog, live, run, rate_per_s(section, takt_ms))

    def step(self) -> None:
        """Read on, send what there is room for, write down what was confirmed. With nothing to do it takes 0.1 s."""
        now_s = time.monotonic()
        self._backlog.read(now_s)
        self._link.step()
        self._backlog.save(now_s)

    def facts(self) -> dict[str, Any]:
        """What the status shows."""
        wrong = [self._link.state if self._link.state != "ok" else "", self._backlog.trouble, self._backlog.unsaved]
        return {
            "state": "; ".join(text for text in wrong if text) or "ok",
            "remedy": self._link.remedy,
            "broker": self._access.where,
            "address": self._link.address,
            "backlog": self._backlog.size,
            "published": self._backlog.results.confirmed,
            "lost": self._backlog.lost,
            "unheard": self._link.unheard,
        }

    def close(self) -> None:
        """Take leave of the broker, and save."""
        self._link.leave()
        self._backlog.close()


def main(stage: Stage) -> None:
    """Publish until told to stop."""
    config = stage.config
    assert config.publisher is not None and config.recorder is not None
    folder = stage.setup.config_file.parent
    access = Access(config.publisher, config.line.name, folder)
    for warning in access.warnings():
        stage.log.warning("publisher_unwise", what=warning)
    reader = events.EventReader(stage.memory("events", events.SIZE_BYTES), from_start=True)
    live = Live(stage.board, reader, stage.setup.recipe.name)
    lenses = {camera.name: camera.calibration for camera in config.cameras if camera.calibration is not None}
    records, run, takt_ms = folder / config.recorder.folder, stage.setup.run, config.line.takt_ms
    publisher = Publisher(access, records, live, run, takt_ms, lenses=lenses)
    _run(stage, publisher, live)
    publisher.close()


def _run(stage: Stage, publisher: Publisher, live: Live) -> None:
    told: dict[str, Any] = {}
    due_s = 0.0
    while not stage.stopping:
        for command in stage.commands():
            if command["do"] == "recipe":
                live.recipe = json.loads(command["recipe"])["name"]
        publisher.step()
        facts = publisher.facts()
        if time.monotonic() >= due_s or facts["state"] != told.get("state"):
            due_s = time.monotonic() + _TELL_S
            told = facts
            stage.tell(tell="alive", **facts)
