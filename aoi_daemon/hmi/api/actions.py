"""What a person can do by the page: one method each, one gate before all.

    result = await actions.acknowledge(session, "CAMERA_LOST")     # Result(ok, text, answer), or Refused is raised

Each looks at the session, the role and the rate, does it, and sees that it is in
the audit: the daemon itself writes down what it was asked for, the page what it
refused, and each review. Never blocks the event loop.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, cast, get_args

from aoi_daemon.decide.alarm_list import Alarm, mask_of
from aoi_daemon.hmi.access.limits import Rate
from aoi_daemon.hmi.access.roles import Access, Action, Denial, Refused, Session
from aoi_daemon.hmi.api.control import Desk
from aoi_daemon.records.database import open_writer
from aoi_daemon.records.faults import RecordsError
from aoi_daemon.records.reviews import MAX_NOTE, ReviewVerdict
from aoi_daemon.records.reviews import review as write_review
from aoi_daemon.stage.board import Board, Cell

FAULTS: Final = mask_of(Alarm.RESTART_BUDGET, Alarm.GOLDEN_FAILED)
"""While one of these is active, a reset is RESET_FAULT: their remedies are maintenance's."""

VERDICTS: Final = get_args(ReviewVerdict)
_MAX_RECIPE: Final = 65_535
_MAX_PART: Final = (1 << 63) - 1
_QUICK_S: Final = 5.0
_SLOW_S: Final = 60.0
"""A reload and a product change validate every file and every bundle first."""


class Result(NamedTuple):
    """What came of an action: `ok`, and why or why not, in English; `answer` is the daemon's, whole."""

    ok: bool
    text: str
    answer: Mapping[str, Any]


class Actions:
    """The actions, for every session of `access`. `records` is their folder, None where none are kept."""

    def __init__(
        self, access: Access, desk: Desk, board: Board, records: Path | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:  # fmt: skip
        self._access = access
        self._desk = desk
        self._board = board
        self._records = records
        self._clock = clock
        # Far above what a hand does, far below what would keep the supervisor from its work.
        self._quick = Rate(per_s=2, burst=10)
        self._slow = Rate(per_s=0.2, burst=3)
        self._renewed = Rate(per_s=5, burst=20)

    def may(self, session: Session | None, action: Action) -> bool:
        """Whether to show the button."""
        return self._access.may(session, action)

    def needed_to_reset(self) -> Action:
        """What a reset is now: RESET, or RESET_FAULT."""
        return Action.RESET_FAULT if self._board[Cell.ALARMS] & FAULTS else Action.RESET

    async def acknowledge(self, session: Session | None, alarm: str | None = None) -> Result:
        """Acknowledge `alarm` by its name; None: all that there are."""
        by = await self._gate(session, Action.ACKNOWLEDGE, self._quick)
        if alarm is not None and alarm not in Alarm.__members__:
            raise Refused(Denial.INPUT, f"alarm = {alarm!r}: there is no such alarm")
        named = {} if alarm is None else {"alarm": alarm}
        return await self._ask({"do": "acknowledge", **named, "by": by}, _QUICK_S, "acknowledged")

    async def reset(self, session: Session | None) -> Result:
        """Acknowledge all, lift a stop, start again after a fault."""
        by = await self._gate(session, self.needed_to_reset(), self._quick)
        return await self._ask({"do": "reset", "by": by}, _QUICK_S, "reset")

    async def reload(self, session: Session | None) -> Result:
        """Apply the changed files, all or nothing."""
        by = await self._gate(session, Action.RELOAD, self._slow)
        result = await self._ask({"do": "reload", "by": by}, _SLOW_S, "reloaded")
        changed = result.answer.get("changed")
        if result.ok and isinstance(changed, list):
            return result._replace(text="reloaded: " + (", ".join(map(str, changed)) or "nothing had changed"))
        return result

    async def change_recipe(self, session: Session | None, recipe_id: int) -> Result:
        """Change over to the product with the number `recipe_id`."""
        by = await self._gate(session, Action.RECIPE, self._slow)
        _whole("id", recipe_id, 1, _MAX_RECIPE)
        return await self._ask({"do": "recipe", "id": recipe_id, "by": by}, _SLOW_S, f"recipe {recipe_id}")

    async def force(self, session: Session | None, word: int) -> Result:
        """Write the 16 coils, bit 0 first, while the line is stopped; ends unless renewed within 2 s."""
        by = await self._gate(session, Action.FORCE, self._renewed)
        _whole("word", word, 0, 0xFFFF)
        return await self._ask({"do": "force", "word": word, "by": by}, _QUICK_S, f"coils forced to {word:016b}")

    async def unforce(self, session: Session | None) -> Result:
        """Give the coils back to the line."""
        by = await self._gate(session, Action.FORCE, self._renewed)
        return await self._ask({"do": "unforce", "by": by}, _QUICK_S, "coils no longer forced")

    async def review(self, session: Session | None, part_id: int, verdict: str | None = None, note: str = "") -> Result:
        """A person's verdict on a rejected part: `defect` or `false_call`, None takes it back; the last one counts."""
        by = await self._gate(session, Action.REVIEW, self._quick)
        _whole("part_id", part_id, 1, _MAX_PART)
        if verdict is not None and verdict not in VERDICTS:
            raise Refused(Denial.INPUT, f"verdict = {verdict!r}: must be {', '.join(VERDICTS)} or none")
        if len(note) > MAX_NOTE or not note.replace("\n", " ").isprintable():
            raise Refused(Denial.INPUT, f"note: at most {MAX_NOTE} characters of text are taken")
        if self._records is None:
            raise Refused(Denial.STATE, "no records are kept: line.toml has no [recorder]")
        said = f"part {part_id}: {verdict or 'taken back'}"
        try:
            await self._desk.run(_review, self._records, part_id, verdict, by, note)
        except RecordsError as error:
            await self._desk.audit(what="review", by=by, ok=False, detail=f"{said}: {error}")
            return Result(False, str(error), {})
        await self._desk.audit(what="review", by=by, ok=True, detail=f"{said} {note}".rstrip())
        return Result(True, said, {})

    async def permit(self, session: Session | None, action: Action) -> Session:
        """`session`, which may do `action`. Raises Refused, and sees that a refused user is in the audit."""
        try:
            return self._access.need(session, action)
        except Refused as refused:
            # Not more often than a hand: the audit is no place to write to at will.
            if session is not None and self._quick.wait_ns(("refused", session.key), self._clock()) == 0:
                await self._desk.audit(what=action.value, by=session.user.by, ok=False, detail=str(refused))
            raise

    async def _gate(self, session: Session | None, action: Action, rate: Rate) -> str:
        """Who acts, for the audit. Raises Refused."""
        found = await self.permit(session, action)
        wait_ns = rate.wait_ns((action, found.key), self._clock())
        if wait_ns:
            raise Refused(Denial.TOO_OFTEN, wait_s=wait_ns / 1e9)
        return found.user.by

    async def _ask(self, body: dict[str, Any], timeout_s: float, done: str) -> Result:
        answer = await self._desk.ask(body, timeout_s)
        ok = answer.get("ok") is True
        text = str(answer.get("message") or done) if ok else str(answer.get("error") or "refused")
        return Result(ok, text, answer)


def _whole(key: str, value: object, least: int, most: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise Refused(Denial.INPUT, f"{key} = {value!r}: must be a whole number from {least} to {most}")


def _review(folder: Path, part_id: int, verdict: str | None, by: str, note: str) -> None:
    connection = open_writer(folder)
    try:
        write_review(connection, part_id, cast("ReviewVerdict | None", verdict), by=by, note=note, at=time.time())
    except sqlite3.Error as error:
        raise RecordsError(f"part {part_id}: the review was not written: {error}") from error
    finally:
        connection.close()
