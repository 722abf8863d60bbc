"""One start of the daemon around its plc process: cameras' counts, the board, and the inspections.

Each is what its process looks like from outside: records in pipes, cells of the board.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from aoi_daemon.messages import Announcement, Arrival
from aoi_daemon.stage.board import Board, CameraCell, Hears, StageState, camera_cell
from tools.simulation.inspections import Inspections
from tools.simulation.plan import Plan
from tools.simulation.process import Doors
from tools.simulation.timeline import Timeline
from tools.simulation.world import Frame, Part, Weather

_RING: Final = 8
"""`ring.slots`, as it is by default."""


class Life:
    """One start of the daemon, without its plc process: board, doorbells, cameras' counts and inspection."""

    def __init__(
        self, timeline: Timeline, plan: Plan, weather: Weather, board: Board, *, doors: Doors, parts: dict[int, Part],
    ) -> None:  # fmt: skip
        self._timeline = timeline
        self._plan = plan
        self.board = board
        self.doors = doors
        self._parts = parts
        self.frames: dict[tuple[int, int], Frame] = {}  # camera, sequence
        self._announced = [0] * plan.shape.cameras
        self._pictures = [0] * plan.shape.cameras
        self.frame_doors: deque[Announcement] = deque()
        """The doorbells of all cameras to inspection, in the order in which they rang; they outlive who reads them."""
        self.inspections = Inspections(timeline, plan, weather, self)
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

    def announce(
        self, part: int, camera: int, arrival: Arrival, trigger_ns: int, trigger_id: int, *, fov: int = 0
    ) -> None:
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
            arrival, camera, fov, sequence, frame, trigger_ns, now, (trigger_ns or now) + self._deadline_ns,
            trigger_id if self._plan.shape.numbered else 0,
        )  # fmt: skip
        self.frames[camera, sequence] = Frame(part, camera, said)
        self.doors.ring("announcements", said.pack())
        if frame:
            lapped = self._lapped(camera, frame - _RING)
            if lapped:
                board.add(camera_cell(camera, CameraCell.OVERRUNS))
                self.doors.ring("announcements", Announcement(Arrival.OVERRUN, camera, 0, lapped, 0, 0, 0, 0).pack())
            self.frame_doors.append(said)
            self.inspections.rung()

    def _lapped(self, camera: int, frame: int) -> int:
        """The sequence of a view whose slot is taken again before it was judged, 0: none."""
        for waiting in (self.frame_doors, *self.inspections.hands()):
            for said in waiting:
                if said.camera == camera and said.frame == frame > 0:
                    waiting.remove(said)
                    return said.sequence
        return 0

    def lives(self) -> None:
        """Called each 100 ms: acquire moves."""
        if self.over:
            return
        for camera in range(self._plan.shape.cameras):
            self.board[camera_cell(camera, CameraCell.PROGRESS_NS)] = self._timeline.now
        self.inspections.move()
