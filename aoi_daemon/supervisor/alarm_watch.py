"""The alarms of the line: what the board shows, what was said, and what a person has done about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aoi_daemon.config.cameras import Camera
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.views import name_of, views_of
from aoi_daemon.decide.alarms import Alarm, AlarmRow, Alarms, Transition
from aoi_daemon.decide.chatter import Chatter
from aoi_daemon.messages import Reason
from aoi_daemon.stage.board import Board, CameraCell, Cell, camera_cell, unpack_size, unpack_view_fault
from aoi_daemon.supervisor.chronicle import Chronicle
from aoi_daemon.supervisor.conditions import Conditions

_GOES_ON: Final = 3
"""So many parts in a row are no single fault any more."""
_KNOWN: Final = {alarm.name: alarm for alarm in Alarm}
_MAY_BE_NOISE: Final = (
    Alarm.PLC_BEHIND, Alarm.PRODUCT_DIFFERS, Alarm.PLC_FROZEN, Alarm.PLC_BYPASS, Alarm.PLC_REFUSED,
    Alarm.CONFIG_REFUSED, Alarm.FRAME_SIZE, Alarm.CAMERA_CLOCK,
    Alarm.VIEW_FAULT,
)  # fmt: skip
"""What the PLC's words raise and clear, and a camera's frames and clock: all of it may be noise. REJECT_UNCONFIRMED is
not of them, for a person ends it."""


class AlarmWatch:
    """Moves the alarms, writes their mask on the board, and tells the chronicle.

    `said` are the alarms that somebody has said, with the reason, and that stay
    until they are taken back or a person resets; `plc_said` the same of what the PLC brought about,
    whose words may be noise.
    """

    def __init__(self, board: Board, conditions: Conditions, chronicle: Chronicle) -> None:
        self._board = board
        self._chronicle = chronicle
        self._alarms = Alarms()
        self.conditions = conditions
        self.said: dict[Alarm, str] = {}
        self.plc_said: dict[Alarm, str] = {}
        self._steady = {alarm: Chatter() for alarm in _MAY_BE_NOISE}
        self.clocks = CameraClocks()
        self._details: dict[Alarm, str] = {}

    def look(self, now_ns: int, others: dict[Alarm, str]) -> bool:
        """What the board, `said` and `others` say now; whether the mask on the board has changed."""
        active = {alarm: self.conditions.detail(alarm) for alarm in self.conditions.now(now_ns)}
        active |= self.plc_said | self.said | self.clocks.now() | others
        for alarm, steady in self._steady.items():
            # What a person brought about ends when it is mended, however often that is.
            if steady.look(alarm in active and alarm not in self.said, now_ns):
                self._details[alarm] = active.setdefault(alarm, self._details.get(alarm, ""))
        if Alarm.PLC_REFUSED in self.plc_said:
            # The PLC answers, so the cable is good: two remedies at once would send a person the wrong way.
            active.pop(Alarm.PLC_LINK, None)
        for alarm in Alarm:
            self._chronicle.alarms(self._alarms.set(alarm, alarm in active, now_ns, active.get(alarm, "")))
        mask = self._alarms.active_mask
        changed = mask != self._board[Cell.ALARMS]
        self._board[Cell.ALARMS] = mask
        return changed

    def acknowledge(self, name: object, by: str, now_ns: int) -> tuple[list[str], str]:
        """A person has seen the alarm `name` (None: all): the names of those that moved, and why not, or ""."""
        if name is not None and name not in _KNOWN:
            return [], f"no alarm is called {name!r}; there are: {', '.join(_KNOWN)}"
        changed = self._alarms.acknowledge(now_ns, None if name is None else _KNOWN[str(name)])
        return self._moved(changed, by), ""

    def reset(self, by: str, now_ns: int) -> None:
        """A person has looked at the line."""
        self.said.clear()
        # What the PLC refuses is not over because a person has seen it; it ends when plc says so.
        self.plc_said = {alarm: detail for alarm, detail in self.plc_said.items() if alarm is Alarm.PLC_REFUSED}
        self._moved(self._alarms.acknowledge(now_ns) + self._alarms.reset(now_ns), by)

    def snapshot(self) -> list[AlarmRow]:
        """For the status JSON."""
        return self._alarms.snapshot()

    def _moved(self, changed: list[Transition], by: str) -> list[str]:
        self._chronicle.alarms(changed, by)
        return [change.alarm.name for change in changed]


class CameraClocks:
    """Whose clock is refused. A reset does not end it: acquire says it once, and again when frames agree."""

    def __init__(self) -> None:
        self._refused: dict[int, str] = {}

    def said(self, camera: int, detail: str) -> None:
        """`detail` is why the clock of camera number `camera` is refused; "": it is not (any more)."""
        if detail:
            self._refused[camera] = detail
        else:
            self._refused.pop(camera, None)

    def now(self) -> dict[Alarm, str]:
        """The alarm, while any camera's is."""
        if not self._refused:
            return {}
        return {Alarm.CAMERA_CLOCK: "; ".join(self._refused.values())}


def product_differs(board: Board) -> dict[Alarm, str]:
    """The alarm that the PLC, where it is polled, asks for another product than parts are judged by."""
    asked, in_use = board[Cell.ASKED_RECIPE], board[Cell.RECIPE]
    if asked <= 0 or in_use <= 0 or asked == in_use:
        return {}
    return {Alarm.PRODUCT_DIFFERS: f"the PLC asks for recipe {asked}, {in_use} is in use"}


def frames_misfit(board: Board, cameras: Sequence[Camera], recipe: Recipe) -> dict[Alarm, str]:
    """The alarm that frames of some of `cameras`, by their order on the board, are not of the size of their view."""
    found = {index: size for index in range(len(cameras)) if (size := board[camera_cell(index, CameraCell.MISFIT)])}
    if not found or board[Cell.RECIPE] != recipe.id:
        # Or a change is under way: the frames are those of the other product.
        return {}
    sizes = {index: unpack_size(size) for index, size in found.items()}
    if not recipe.views:
        wanted = (recipe.width_px, recipe.height_px, recipe.channels)
        told = [f"{cameras[index].name} gives {_size(size, wanted)}" for index, size in sizes.items()]
        differs = next(iter(sizes.values()))
        return {Alarm.FRAME_SIZE: f"{', '.join(told)}; recipe {recipe.name} is {_size(wanted, differs)}"}
    told = []
    for view in views_of(recipe, cameras):
        came, wanted = sizes.get(view.camera), (view.recipe.width_px, view.recipe.height_px, view.recipe.channels)
        if came is not None and came != wanted:
            gives = f"{cameras[view.camera].name} gives {_size(came, wanted)}"
            told.append(f"{gives}; view {view.name} of recipe {recipe.name} is {_size(wanted, came)}")
    return {Alarm.FRAME_SIZE: "; ".join(told)} if told else {}


def views_missed(board: Board, cameras: Sequence[Camera], recipe: Recipe) -> dict[Alarm, str]:
    """The alarm that part after part is rejected because one of its several views was not seen as it must be."""
    count = board[Cell.VIEW_FAULTS]
    if count < _GOES_ON or board[Cell.RECIPE] != recipe.id:
        return {}
    reason, camera, fov = unpack_view_fault(board[Cell.VIEW_FAULT])
    name = name_of(views_of(recipe, cameras), camera, fov)
    where = f"camera {cameras[camera].name}, fov {fov}"
    which = f"view {name} ({where})" if recipe.views and name else where
    return {Alarm.VIEW_FAULT: f"{which}: {Reason(reason).name}, {count} parts in a row were rejected for a view"}


def _size(of: tuple[int, int, int], other: tuple[int, int, int]) -> str:
    """Width and height, and the channels where those differ, too."""
    channels = "" if of[2] == other[2] else f" x {of[2]} channel{'s' * (of[2] > 1)}"
    return f"{of[0]} x {of[1]}{channels}"
