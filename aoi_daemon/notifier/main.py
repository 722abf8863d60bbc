"""The notifier: alarms to people by mail and webhook.

Process: notifier, off the critical path. Blocks: up to 0.2 s between two looks, and on its own small file; servers are
talked to in threads. Memory: reads the board and the event ring; what waits is bounded, here and on the disk.

A notice is on the disk before it is sent, and what became of it is, before the next one is. So none is lost by a
restart or a power cut, and one comes twice only where the answer to it was lost.
"""

from __future__ import annotations

import time
from typing import Any, Final

from aoi_daemon.config.notices import NoticesSection
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.notifier.notifier import Notifier
from aoi_daemon.notifier.post import over_the_network
from aoi_daemon.notifier.store import Store
from aoi_daemon.notifier.words import Wording
from aoi_daemon.ring import events
from aoi_daemon.stage.stage import Stage
from aoi_daemon.texts.words import Language

_LOOK_S: Final = 0.2
_TELL_S: Final = 1.0


def wording_of(line: LineConfig, section: NoticesSection) -> Wording:
    """How the line speaks: as [notices] says, else as the page does."""
    languages: tuple[Language, ...] = section.languages or (line.hmi.language if line.hmi else "en",)
    page = section.page or (line.hmi.origins[0] if line.hmi and line.hmi.origins else "")
    return Wording(line.line.name, languages, page)


def main(stage: Stage) -> None:
    """Tell people until told to stop."""
    section = stage.config.notices
    assert section is not None
    folder = stage.setup.config_file.parent
    reader = events.EventReader(stage.memory("events", events.SIZE_BYTES), from_start=True)
    notifier = Notifier(
        section, wording_of(stage.config, section), Store(folder / section.folder), stage.board, reader,
        run=stage.setup.run, deliver=over_the_network(folder, section.timeout_s),
    )  # fmt: skip
    told: dict[str, Any] = {}
    due_s = 0.0
    while not stage.stopping:
        for command in stage.commands():
            if command["do"] == "recipe":
                notifier.wording = wording_of(LineConfig.model_validate_json(command["line"]), section)
        notifier.step(time.monotonic(), time.time())
        facts = notifier.facts()
        if time.monotonic() >= due_s or facts["state"] != told.get("state"):
            due_s, told = time.monotonic() + _TELL_S, facts
            stage.tell(tell="alive", **facts)
        time.sleep(_LOOK_S)
    notifier.close(time.monotonic(), time.time())
