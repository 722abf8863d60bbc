"""What persons, signals and the PLC order: another configuration, another product. And what they hear of it.

A person's order that comes while another is under way is refused with a text.
A signal and the PLC's word cannot be answered: a reload by signal waits, and
of the PLC's requests the latest counts, once the change under way is over.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Final

from aoi_daemon.config.load import Configuration
from aoi_daemon.config.reload import ReloadPlan
from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.ring.ports import Clock
from aoi_daemon.stage.board import Board, Cell
from aoi_daemon.stage.logs import logger
from aoi_daemon.stage.stage import Setup
from aoi_daemon.supervisor.alarm_watch import AlarmWatch
from aoi_daemon.supervisor.attendants import Attendants
from aoi_daemon.supervisor.changeover import Changeover
from aoi_daemon.supervisor.chronicle import Chronicle
from aoi_daemon.supervisor.control import answer
from aoi_daemon.supervisor.keeper import StageKeeper
from aoi_daemon.supervisor.notices import Notices
from aoi_daemon.supervisor.order import Order, Result
from aoi_daemon.supervisor.product import Kept, ProductFile
from aoi_daemon.supervisor.proofs import Proofs

_BUSY: Final = "another change is under way ({step}); nothing has been changed, order it again when that is over"


class Orders:
    """Takes orders, sees them through, and answers. `kept` is what `file` had, where it has been acted on.

    `clock`: that of the `now` which `look` is given. `sleep`: waits so many seconds, in the thread of a check.
    """

    def __init__(
        self,
        *,
        keeper: StageKeeper,
        attendants: Attendants,
        alarms: AlarmWatch,
        chronicle: Chronicle,
        notices: Notices,
        file: ProductFile,
        kept: Kept | None,
        proofs: Proofs,
        setup: Callable[[Configuration, str, int, dict[str, int]], Setup],
        clock: Clock,
        sleep: Callable[[float], object],
    ) -> None:
        self._now_ns = clock.now_ns
        self._keeper = keeper
        self._attendants = attendants
        self._alarms = alarms
        self._chronicle = chronicle
        self._notices = notices
        self._file = file
        self._proofs = proofs
        self._log = logger()
        self._board: Board = keeper.board
        self._asked = kept.asked if kept is not None else 0
        self._start = keeper.configuration.line.line.recipe
        self.changeover = Changeover(keeper, setup, self._land, self._done, clock=clock, sleep=sleep)
        self._reload_waits = False
        if kept is None or kept.version == 1 or kept.grace != proofs.grace:
            self.keep()  # so that the next start takes nothing for an upgrade, and no other recipe for this one

    def reload(self, client: socket.socket, by: str, via: str) -> None:
        """Validate everything, then land all of it, or nothing."""
        self._order(Order("reload", by, via, client))

    def recipe(self, client: socket.socket, wanted: object, by: str, via: str) -> None:
        """Change over to the product with the number, or of the name, `wanted`."""
        name = self._named(wanted)
        if name:
            self._order(Order("recipe", by, via, client, name))
            return
        error = self._unknown(wanted)
        self._refused(Result(Order("recipe", by, via, client), error), unknown=True)

    def look(self, now: int) -> None:
        """The change under way goes on; where there is none, what waits begins."""
        self.changeover.look(now)
        if self._reload_waits and not self.changeover.busy:
            self._reload_waits = False
            self._order(Order("reload", "root", "signal"))
        if not self.changeover.busy:
            self._hear_plc()

    def signalled(self) -> None:
        """SIGHUP: reload, at once or when the change under way is over."""
        self._reload_waits = True
        self._notices.reloading(self._now_ns())  # the service manager waits for this word, and then for the end

    def _hear_plc(self) -> None:
        asked = self._board[Cell.ASKED_RECIPE]
        if asked < 0 or asked == self._asked:
            return
        # Taken note of before it is obeyed: a wish that is refused is not asked for again with each poll.
        self._asked = asked
        if asked in (0, self._keeper.configuration.recipe.id):
            self.keep()
            return
        name = self._named(asked)
        if name:
            self._order(Order("recipe", "PLC", "plc", product=name))
        else:
            self._refused(Result(Order("recipe", "PLC", "plc"), self._unknown(asked)), unknown=True)

    def _named(self, wanted: object) -> str:
        """The name of the recipe `wanted`, a number or a name; "" where there is none."""
        recipes = self._keeper.configuration.recipes
        if isinstance(wanted, str):
            if wanted in recipes:
                return wanted
            named = [name for name, recipe in recipes.items() if recipe.name == wanted]
            return named[0] if len(named) == 1 else ""
        is_number = type(wanted) is int
        return next((name for name, recipe in recipes.items() if is_number and recipe.id == wanted), "")

    def _unknown(self, wanted: object) -> str:
        recipes = self._keeper.configuration.recipes.items()
        there = ", ".join(f"{recipe.id} {name}" for name, recipe in recipes)
        return f"recipe {wanted!r}: there is none of this id or name (there: {there})"

    def _order(self, order: Order) -> None:
        if self.changeover.busy:
            error = _BUSY.format(step=self.changeover.step.value)
            self._chronicle.audit(order.what, order.by, order.via, ok=False, detail=error)
            self._answer(order, {"ok": False, "error": error})
            return
        if order.what == "recipe" and order.product == self._keeper.configuration.in_use:
            self._answer(order, {"ok": True, "message": f"{order.product} is in use already"})
            return
        if order.what == "reload":
            self._notices.reloading(self._now_ns())
        self.changeover.begin(order)

    def _land(self, new: Configuration, plan: ReloadPlan) -> None:
        """`new` is what the line works by from now on: tell everybody but inspection."""
        keeper = self._keeper
        # While both are known: whether the proof holds on depends on what has changed between them.
        self._proofs.landed(keeper.configuration, new)
        if new.in_use != keeper.configuration.in_use:
            self._start = new.line.line.recipe
        # From here on every stage that starts, for whatever reason, starts with the new one.
        keeper.configuration = new
        for index in plan.restart_acquire:
            keeper.restart(keeper.cameras[index])
        # A plc that cannot take the recipe now takes it at its next start.
        if plan.restart_plc or not keeper.tell_plc(new.recipe):
            keeper.restart(keeper.plc)
        poll = new.line.plc.poll
        self._alarms.conditions.ack_behind = poll.ack_behind if poll else None
        self._attendants.want(new)
        self._attendants.restart(plan.restart_off_path)
        # Those that are restarted above read it at their start; the others go on, and need it for their next part.
        self._attendants.hand(do="recipe", recipe=new.recipe.model_dump_json(), line=new.line.model_dump_json())
        self.keep()

    def keep(self) -> None:
        """Which product is in use, and what else must outlast a restart."""
        recipe, asked = self._keeper.configuration.in_use, max(self._asked, 0)
        self._file.write(Kept(recipe=recipe, start=self._start, asked=asked, version=2, grace=self._proofs.grace))

    def _done(self, result: Result) -> None:
        if result.error:
            self._refused(result)
            return
        order, plan = result.order, result.plan
        for said in (self._alarms.said, self._alarms.plc_said):
            said.pop(Alarm.CONFIG_REFUSED, None)
        if order.what == "recipe":
            self._alarms.said.pop(Alarm.PRODUCT_DIFFERS, None)
        changed = list(plan.changed)
        now = self._keeper.configuration
        switched = {"switch_ms": result.switch_ms} if result.switch_ms else {}
        if order.what == "reload":
            self._board.add(Cell.RELOADS)
            detail = ", ".join(changed) or "nothing had changed"
        else:
            detail = f"recipe {now.recipe.id} {now.in_use} is in use"
        took = f"; switched in {result.switch_ms:.1f} ms" if result.switch_ms else ""
        written = self._chronicle.audit(order.what, order.by, order.via, detail=detail + took, changed=result.changed)
        if order.what == "reload":
            self._log.info("reloaded", changed=changed, notes=plan.notes, **switched)
            # Before the answer: `systemctl reload` ends with the command that gets it.
            self._notices.reloaded(now.line)
        elif written:
            self._log.info("recipe_changed", recipe=now.in_use, id=now.recipe.id, **switched)
        self._answer(
            order, {"ok": True, "message": detail, "changed": changed, "notes": list(plan.notes), **switched}
        )  # fmt: skip

    def _refused(self, result: Result, *, unknown: bool = False) -> None:
        order, error = result.order, result.error
        if order.what == "reload":
            self._board.add(Cell.RELOADS_REFUSED)
            self._notices.reloaded(self._keeper.configuration.line, error)
        if self._chronicle.audit(order.what, order.by, order.via, ok=False, detail=error):
            self._log.error(f"{order.what}_refused", error=error)
        if order.via == "plc":
            self._alarms.plc_said[Alarm.CONFIG_REFUSED] = error
        elif not unknown:
            self._alarms.said[Alarm.CONFIG_REFUSED] = error
        if order.via == "plc":
            self.keep()  # this wish has been dealt with; after a restart it is not a new one
        self._answer(order, {"ok": False, "error": error, "unknown": unknown})

    @staticmethod
    def _answer(order: Order, body: dict[str, Any]) -> None:
        if order.client is not None:
            answer(order.client, body)
