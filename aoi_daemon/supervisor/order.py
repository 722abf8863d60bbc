"""An order, the change that it brings about, and what came of it. Data alone: what moves it is `changeover`."""

from __future__ import annotations

import enum
import socket
from dataclasses import dataclass, field
from typing import NamedTuple

from aoi_daemon.config.changes import Change
from aoi_daemon.config.load import Configuration
from aoi_daemon.config.reload import ReloadPlan
from aoi_daemon.stage.process import StageProcess
from aoi_daemon.supervisor.checking import Checking


class Step(enum.Enum):
    """Where a change is; the text is for status."""

    IDLE = "none"
    CHECKING = "the files are checked"
    PROVING = "the new engine loads, and proves itself and the product on the golden parts"
    SWAPPING = "the recipe is swapped between two parts"
    SWITCHING = "the new engine takes the line as the one in use leaves it"
    SETTLING = "the PLC is told, and what must be is started anew"


@dataclass(frozen=True)
class Order:
    """Who wants what. `what` is "reload" or "recipe"; `product` is the one wanted, a recipe's name."""

    what: str
    by: str
    via: str
    client: socket.socket | None = None
    product: str = ""


class Result(NamedTuple):
    """What came of an order: `error` "" when it has landed."""

    order: Order
    error: str = ""
    plan: ReloadPlan = ReloadPlan()
    changed: tuple[Change, ...] = ()
    switch_ms: float = 0.0


@dataclass
class UnderWay:
    """The change that is under way. Times are CLOCK_MONOTONIC ns."""

    order: Order
    old: Configuration
    new: Configuration = field(init=False)
    plan: ReloadPlan = field(default_factory=ReloadPlan)
    checking: Checking | None = None
    since_ns: int = field(init=False)
    """Of the step."""
    pid: int = field(init=False)
    """Of the inspection that is waited for."""
    told_ns: int = 0
    """When the live one was told to leave; 0: it was not."""
    was_ready: bool = field(init=False)
    """READY at that time."""
    switch_ms: float = 0.0
    ending: dict[StageProcess, int] = field(default_factory=dict)
    """The stages that are started anew, with the process ids that they had."""
