"""What comes of the proof of the product: the alarm, who answers where there is none, the time after an upgrade.

A recipe that this line judged parts by before proof was asked for keeps READY without golden parts until its next
changeover, as long as it judges as it did, and for `GRACE_S` of running time at most. Running time, for nothing is done
on the word of a wall clock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any, Final

from aoi_daemon.config.load import Configuration
from aoi_daemon.config.reload import judges_otherwise
from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.messages import Proof
from aoi_daemon.records.database import RecordsError, open_reader
from aoi_daemon.records.queries import judged_before_proof
from aoi_daemon.stage.board import Board, Cell, StageState
from aoi_daemon.stage.logs import logger
from aoi_daemon.supervisor.chronicle import Chronicle
from aoi_daemon.supervisor.product import Grace, Kept

GRACE_S: Final = 30 * 86_400.0
_DAY_S: Final = 86_400.0
_KEEP_S: Final = 600.0
"""How often the time that has run is kept; a power cut gives back at most so much."""


def grace_at_start(configuration: Configuration, kept: Kept | None) -> Grace | None:
    """The grace that the product in use begins with; None: it has none.

    Evidence that this line judged by this recipe before: what an older version has kept, or parts that it has recorded.
    """
    judges = _judges(configuration)
    if kept is not None and kept.version > 1:
        grace = kept.grace
        if grace is None or grace.recipe != configuration.in_use:
            return None
        if grace.judges not in ("", judges):
            problem = "the recipe, its bundle or a template was changed after the upgrade: it must be proven now"
            logger().warning("grace_over", recipe=grace.recipe, problem=problem)
            return None
        return grace.model_copy(update={"judges": judges})
    if (kept is not None and kept.recipe == configuration.in_use) or _recorded(configuration):
        return Grace(recipe=configuration.in_use, judges=judges)
    return None


def _judges(configuration: Configuration) -> str:
    return configuration.judges.get(configuration.in_use, "")


def _recorded(configuration: Configuration) -> bool:
    section = configuration.line.recorder
    if section is None:
        return False
    try:
        with closing(open_reader(section.folder_in(configuration.file.parent))) as connection:
            return judged_before_proof(connection, configuration.recipe.id)
    except (RecordsError, sqlite3.Error):
        return False  # no records are no evidence


class Proofs:
    """Hears what inspection says of the product in use. `keep` writes the grace to where it outlasts a restart."""

    def __init__(
        self, board: Board, chronicle: Chronicle, configuration: Callable[[], Configuration], grace: Grace | None
    ) -> None:
        self._board = board
        self._chronicle = chronicle
        self._configuration = configuration
        self._log = logger()
        self.grace = grace
        self._text = ""
        self._told: tuple[object, ...] = ()
        self._looked_ns: int | None = None
        self._kept_s = grace.used_s if grace is not None else 0.0

    @property
    def left_s(self) -> float:
        """Seconds of running for which READY is kept without golden parts."""
        return 0.0 if self.grace is None else max(0.0, GRACE_S - self.grace.used_s)

    def upgraded(self, configuration: Configuration) -> bool:
        """Whether an inspection that is started with `configuration` may go without golden parts for a while."""
        now = self._configuration()
        if self.grace is None or self.left_s <= 0 or self.grace.judges != _judges(configuration):
            return False
        return configuration is now or not judges_otherwise(now, configuration)

    def landed(self, old: Configuration, new: Configuration) -> None:
        """Another configuration is in use: what is accepted with it is told anew; a changeover ends the grace."""
        self._told = ()
        if old.in_use != new.in_use:
            self.grace = None

    def heard(self, message: dict[str, Any]) -> None:
        """Inspection has taken the line, or another recipe: `proof`, and in `text` what is missing."""
        configuration = self._configuration()
        accepted, product = configuration.recipe.accept_unproven, configuration.in_use
        self._text = message["text"]
        proof = Proof(message["proof"])
        told, self._told = self._told, (proof, product, accepted)
        if told == self._told:
            return
        if proof is Proof.ACCEPTED and accepted is not None:
            detail = f"{accepted} ({self._text})"
            self._chronicle.audit("accept_unproven", accepted.partition(",")[0].strip(), "recipe", detail=detail)
        elif proof is Proof.UPGRADED:
            self._chronicle.audit("unproven", "aoi-daemon", "upgrade", detail=self._kept_ready())
        elif proof is Proof.NOT_PROVEN:
            self._log.error("not_proven", recipe=product, problem=self._text)

    def look(self, now_ns: int) -> tuple[bool, bool]:
        """Count the time that runs without golden parts. Whether READY has just ended by it, and whether to keep it."""
        since_ns, self._looked_ns = self._looked_ns, now_ns
        if self._board[Cell.PROVEN] != Proof.UPGRADED:
            return False, False
        if self.grace is not None and since_ns is not None:
            self.grace = self.grace.model_copy(update={"used_s": self.grace.used_s + (now_ns - since_ns) / 1e9})
        if self.left_s <= 0:
            self._board[Cell.PROVEN] = Proof.NOT_PROVEN
            detail = f"the 30 days after the upgrade are over, READY is down; {self._text}"
            self._chronicle.audit("unproven", "aoi-daemon", "upgrade", ok=False, detail=detail)
            return True, True
        due = self.grace is not None and self.grace.used_s - self._kept_s >= _KEEP_S
        if due and self.grace is not None:
            self._kept_s = self.grace.used_s
        return False, due

    def alarms(self) -> dict[Alarm, str]:
        """The alarm that the product is not proven, with what is missing."""
        proof = self._board[Cell.PROVEN]
        if proof == Proof.UPGRADED:
            return {Alarm.NOT_PROVEN: self._kept_ready()}
        if proof == Proof.NOT_PROVEN and self._board[Cell.INSPECTION_STATE] == StageState.READY:
            return {Alarm.NOT_PROVEN: self._text}
        return {}

    def detail(self) -> str:
        """What there is to say of the proof, for status: what is missing, or who answers for it."""
        proof = self._board[Cell.PROVEN]
        if proof == Proof.ACCEPTED:
            return self._configuration().recipe.accept_unproven or ""
        return self._kept_ready() if proof == Proof.UPGRADED else self._text

    def _kept_ready(self) -> str:
        days = self.left_s / _DAY_S
        return f"READY is kept for {days:.1f} days of running, or until the next changeover; {self._text}"
