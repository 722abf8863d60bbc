"""One start of the daemon around its plc process: cameras' counts, the board, and inspection.

Each is what its process looks like from outside: records in pipes, cells of the board.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from aoi_daemon.messages import Announcement, Arrival, Defect, Judgement, Proof, Reason, pack_defects
from aoi_daemon.stage.board import Board, CameraCell, Cell, Hears, StageState, camera_cell
from tools.simulation.faults import Kind
from tools.simulation.plan import Plan, judge_of
from tools.simulation.process import Doors
from tools.simulation.timeline import MS, Timeline, chance
from tools.simulation.world import Frame, Part, Weather

_DEFECT: Final = pack_defects((Defect(1, 0.9, 10.0, 10.0, 30.0, 30.0),))
_RING: Final = 8
"""`ring.slots`, as it is by default."""
_OTHER_REASONS: Final = (Reason.OPTICS, Reason.REGISTRATION, Reason.NO_RECIPE, Reason.ENGINE_FAULT)
_BUNDLE: Final = 0x1234


class Life:
    """One start of the daemon, without its plc process: board, doorbells, cameras' counts and inspection."""

    def __init__(
        self, timeline: Timeline, plan: Plan, weather: Weather, board: Board, *, doors: Doors, parts: dict[int, Part],
    ) -> None:  # fmt: skip
        self._timeline = timeline
        self._plan = plan
        self._weather = weather
        self.board = board
        self.doors = doors
        self._parts = parts
        self.frames: dict[tuple[int, int], Frame] = {}  # camera, sequence
        self._announced = [0] * plan.shape.cameras
        self._pictures = [0] * plan.shape.cameras
        self.inspection = Inspection(timeline, plan, weather, self)
        config = plan.shape.config()
        self._deadline_ns = int((config.line.deadline_ms - config.cameras[0].sensor_to_frame_ms) * 1e6)
        self._in_ring: deque[tuple[int, int]] = deque(maxlen=_RING * plan.shape.cameras)
        self.over = False

    def part(self, number: int) -> Part:
        """The part of that number."""
        return self._parts[number]

    def camera_is(self, camera: int, *, there: bool) -> None:
        """A camera is open, or lost."""
        board = self.board
        board[camera_cell(camera, CameraCell.STATE)] = StageState.READY
        board[camera_cell(camera, CameraCell.PRESENT)] = there
        board[camera_cell(camera, CameraCell.PROGRESS_NS)] = self._timeline.now
        if self._plan.shape.numbered:
            board[camera_cell(camera, CameraCell.HEARS)] = Hears.READINGS if there else Hears.NOTHING

    def announce(self, part: int, camera: int, arrival: Arrival, trigger_ns: int, trigger_id: int) -> None:
        """As acquire does."""
        if self.over or not self.board[camera_cell(camera, CameraCell.PRESENT)]:
            return
        board, now = self.board, self._timeline.now
        self._announced[camera] += 1
        sequence = self._announced[camera]
        board[camera_cell(camera, CameraCell.SEQUENCE)] = sequence
        frame = 0
        if arrival is Arrival.FRAME:
            self._pictures[camera] += 1
            frame = self._pictures[camera]
            board[camera_cell(camera, CameraCell.FRAME)] = frame
        said = Announcement(
            arrival, camera, 0, sequence, frame, trigger_ns, now, (trigger_ns or now) + self._deadline_ns,
            trigger_id if self._plan.shape.numbered else 0,
        )  # fmt: skip
        self.frames[camera, sequence] = Frame(part, camera, said)
        self.doors.ring("announcements", said.pack())
        if frame:
            lapped = self.inspection.lapped(camera, frame - _RING)
            if lapped:
                board.add(camera_cell(camera, CameraCell.OVERRUNS))
                self.doors.ring("announcements", Announcement(Arrival.OVERRUN, camera, 0, lapped, 0, 0, 0, 0).pack())
            self.inspection.rings(said)

    def lives(self) -> None:
        """Called each 100 ms: acquire moves."""
        if self.over:
            return
        for camera in range(self._plan.shape.cameras):
            self.board[camera_cell(camera, CameraCell.PROGRESS_NS)] = self._timeline.now
        self.inspection.moves()


class Inspection:
    """The inspection process, or the pair of them, seen from the board and the doorbell."""

    def __init__(self, timeline: Timeline, plan: Plan, weather: Weather, life: Life) -> None:
        self._timeline = timeline
        self._plan = plan
        self._weather = weather
        self._life = life
        self._board = life.board
        self._queue: deque[Announcement] = deque()
        self._busy = False
        self._process = 0  # which one is on the line
        self.alive = False
        self._hung = False
        self.recipe = 1
        self._leaves: Callable[[], None] | None = None
        self._least, self._most = judge_of(plan.shape)
        self._judged = 0
        self.moved_ns = 0
        """When its loop turned last."""

    @property
    def stands(self) -> bool:
        """It says that it works, and does not."""
        return self.alive and self._hung

    def goes_live(self, recipe: int, views: int) -> None:
        """A process that has proven itself takes the line. `views`: which ones it judges, `Expected.code`."""
        board, now = self._board, self._timeline.now
        self._process += 1
        self.alive, self._hung, self._busy, self._leaves = True, False, False, None
        self.recipe = recipe
        board[Cell.VIEWS] = views
        board[Cell.RECIPE], board[Cell.BUNDLE], board[Cell.GOLDEN_PASSED] = recipe, _BUNDLE, 1
        board[Cell.PROVEN] = Proof.PROVEN
        self.moved_ns = board[Cell.INSPECTION_NS] = board[Cell.LIVE_NS] = now
        self._queue = deque(part for part in self._queue if part.ready_ns >= now)
        board[Cell.INSPECTION_STATE] = StageState.READY
        self._next()

    def ends(self) -> None:
        """Its process is gone."""
        self.alive = False
        self._process += 1
        self._busy = False

    def hangs(self, for_ns: int) -> None:
        """It stands for so long."""
        self._hung = True
        self._timeline.at(self._timeline.now + for_ns, self._goes_on, self._process)

    def _goes_on(self, process: int) -> None:
        if process == self._process and self.alive:
            self._hung = False
            self.moves()
            if self._leaves is not None and not self._busy:
                self._left()
            else:
                self._next()

    def retires(self, done: Callable[[], None]) -> None:
        """It is told to leave: it ends its part, and says so when plc has what it judged."""
        self._leaves = done
        if not self._busy and not self._hung:
            self._left()

    def _left(self) -> None:
        done, self._leaves = self._leaves, None
        process = self._process

        def gone() -> None:
            if process == self._process and self.alive and done is not None:
                self._board[Cell.INSPECTION_STATE] = StageState.CHANGEOVER
                self.alive = False
                self._process += 1
                done()

        # plc has read by then, or may be waiting for the PLC: 50 ms at most.
        self._timeline.at(self._timeline.now + MS, gone)

    def moves(self) -> None:
        """Its loop turns."""
        if self.alive and not self._hung:
            self.moved_ns = self._board[Cell.INSPECTION_NS] = self._timeline.now

    def rings(self, said: Announcement) -> None:
        """A frame is there."""
        self._queue.append(said)
        self._next()

    def lapped(self, camera: int, frame: int) -> int:
        """The sequence of a view whose slot is taken again before it was judged, 0: none."""
        for said in self._queue:
            if said.camera == camera and said.frame == frame > 0:
                self._queue.remove(said)
                return said.sequence
        return 0

    def _next(self) -> None:
        if self._busy or not self._queue or not self.alive or self._hung or self._leaves is not None:
            return
        said = self._queue.popleft()
        self._busy = True
        self._judged += 1
        mark = mark_of(said)
        views = self._plan.shape.cameras
        share = chance(self._plan.seed, 60, mark)
        # The first view may reject the part alone: it comes no sooner than a scan after the trigger, either.
        took = max(self._least, (self._least + share * (self._most - self._least)) / views)
        slow = self._weather.strikes(Kind.JUDGES_SLOWLY, mark)
        if slow:
            took += slow * 2.5 * self._plan.shape.takt
        now = self._timeline.now
        self.moved_ns = self._board[Cell.INSPECTION_NS] = now
        self._timeline.at(now + int(took), self._judge, said, now, self._process)

    def _judge(self, said: Announcement, picked_ns: int, process: int) -> None:
        if process != self._process or not self.alive:
            return
        now = self._timeline.now
        if self._hung:
            self._timeline.at(now + 10 * MS, self._judge, said, picked_ns, process)
            return
        self._busy = False
        frame = self._life.frames[said.camera, said.sequence]
        part = self._life.part(frame.part)
        bad = part.bad and part.defect_camera == said.camera
        reason = Reason.DEFECT if bad else Reason.NONE
        if now > said.deadline_ns:
            reason = Reason.LATE
        elif bad and chance(self._plan.seed, 61, mark_of(said)) < 0.15:
            reason = _OTHER_REASONS[said.sequence % len(_OTHER_REASONS)]
        passed = reason is Reason.NONE
        if passed:
            part.passing_views.add(said.camera)
        defect = reason is Reason.DEFECT
        judgement = Judgement(
            passed, reason, said.camera, 1 if defect else -1, int(defect), self.recipe, said.sequence, _BUNDLE, 0, 0,
            picked_ns, now, now, _DEFECT if defect else b"",
        )  # fmt: skip
        self._board[camera_cell(said.camera, CameraCell.RELEASED)] = said.frame
        self._board.add(camera_cell(said.camera, CameraCell.JUDGED))
        self.moved_ns = self._board[Cell.INSPECTION_NS] = now
        self._life.doors.ring("judgements", judgement.pack())
        if reason is not Reason.LATE:
            self._life.doors.judged.append((said.camera, said.sequence))
        if self._leaves is not None:
            self._left()
        else:
            self._next()


def mark_of(said: Announcement) -> int:
    """A number of the view, for chance."""
    return said.sequence * 8 + said.camera
