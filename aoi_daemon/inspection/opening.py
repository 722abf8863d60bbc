"""Open the executor that parts are judged with: the one that is named, or those that `auto` picks until one holds.

Process: inspection, before it is ready.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.errors import AoiError
from aoi_daemon.infer.bundle import Bundle
from aoi_daemon.inspection.auto.subject import Subject
from aoi_daemon.stage.stage import Stage


class Engine(NamedTuple):
    """What judges parts: its name for logs, `status`, page and records, why it is that one, a line for each other.

    `lanes`: how many lanes, and why; "" where line.toml names their number.
    """

    name: str
    why: str
    others: tuple[str, ...] = ()
    auto: bool = False
    lanes: str = ""


def open_engine(
    stage: Stage, bundle: Bundle, subject: Subject, open_by: Callable[[InspectionSection], str]
) -> Engine:
    """Open one, prove it, and say which.

    Args:
        stage: of inspection.
        bundle: of the views that it judges.
        subject: the first of them.
        open_by: closes what it opened before, opens what the section names, and says why that does not hold its golden
            parts; "" where it does.

    Raises:
        AoiError: the one that is named does not open, or fails; with `auto`: the reference.
    """
    section = stage.config.inspection
    if section.backend != "auto":
        open_by(section)
        return Engine(_name(section), "named in [inspection]")
    from aoi_daemon.inspection.auto.auto import Auto  # noqa: PLC0415

    auto = Auto(stage, bundle, subject)
    while True:
        picked = auto.pick()
        # Before it is opened: should it take this process with it, the supervisor knows which it was.
        stage.tell(tell="engine", step=f"opening {picked.name}", opening=picked.name, standby=stage.setup.standby)
        try:
            why = open_by(picked.section)
        except (AoiError, OSError, RuntimeError) as error:
            if not auto.failed(error):
                raise
            continue
        if why and auto.failed(why):
            continue
        auto.settled()
        stage.log.info("engine_chosen", engine=picked.name, why=picked.why, others=list(picked.rows))
        return Engine(picked.name, picked.why, picked.rows, auto=True)


def _name(section: InspectionSection) -> str:
    where = f" {section.device}" if section.backend == "openvino" and section.device not in (None, "cpu") else ""
    return f"{section.backend}{where} {section.precision}"
