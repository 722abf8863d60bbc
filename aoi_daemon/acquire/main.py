"""The acquire stage: fetch, copy into a ring slot, announce.

Process: acquire, one per camera. Blocks: in `CameraDriver.fetch_into`, which
may hold the GIL; nothing else runs here. Memory: writes its camera's ring.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from contextlib import closing
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.acquire.camera import CameraDriver, Dropped, Grab
from aoi_daemon.acquire.clock import ClockEvent
from aoi_daemon.acquire.fovs import ByCount, ByPause, ByTrigger, Fovs, part_trigger
from aoi_daemon.config.cameras import CameraSection, GenicamCamera, ReplayCamera
from aoi_daemon.decide.line_limit import LineLimit
from aoi_daemon.errors import CameraError, DoorbellFullError
from aoi_daemon.messages import Announcement, Arrival
from aoi_daemon.ring.doorbell import ring
from aoi_daemon.stage.board import CameraCell, Cell, Hears, StageState, camera_cell
from aoi_daemon.stage.stage import Stage, now_ns

_SLICE_S: Final = 0.02
"""Longest wait inside the driver, so that a stop, a stall or a silence is noticed."""
_FRESH_AFTER: Final = 10
"""Failed opens in a row after which a camera gets a fresh process."""
_MAX_GAP: Final = 1000
"""Parts announced for one gap in the frame ids; a longer one is a camera that was re-armed."""


class Acquire:
    """One camera's loop."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.camera = stage.setup.index
        self.config = stage.config.cameras[self.camera]
        self.board = stage.board
        self.log = stage.log.bind(camera=self.config.name)
        self.frames = stage.frame_ring(self.camera)
        self.to_plc = stage.fds["announcements_w"]
        self.to_inspection = stage.fds[f"frames{self.camera}_w"]
        # The PLC counts from the part sensor, this camera from its frame.
        self.deadline_ns = int((stage.config.line.deadline_ms - self.config.sensor_to_frame_ms) * 1e6)
        self.sequence = self.board[self._cell(CameraCell.SEQUENCE)]
        self.frame = self.board[self._cell(CameraCell.FRAME)]
        # Which view lies in each slot, so that a lost one can be taken back by its number.
        self.slots: list[tuple[int, int]] = [(0, 0)] * self.frames.layout.slots
        self.fov = self.config.fov or 0
        self._fovs = fovs_of(self.config)
        self._several = len(stage.config.cameras) > 1 or self._fovs is not None
        self._before_ns = 0  # the time of the last frame
        self._clock_refused = True  # as the process before this one may have said
        self._lines = LineLimit()

    def _cell(self, cell: CameraCell) -> int:
        return camera_cell(self.camera, cell)

    def progress(self) -> None:
        """Say that the loop moves, and look for a stop."""
        self.board[self._cell(CameraCell.PROGRESS_NS)] = now_ns()
        self.stage.commands()

    def run(self) -> None:
        """Open the camera, deliver its parts, and again after each loss, until stopped."""
        wait_ms = self.config.reopen_min_ms
        failures = 0
        self.stage.ready()
        self.board[self._cell(CameraCell.STATE)] = StageState.READY
        while not self.stage.stopping:
            self.progress()
            begun = self.sequence
            self.stage.prepare_realtime()
            driver = make_driver(self.stage, self.camera, self.sequence + 1, self.clock_said)
            self._say_clock("")  # of a clock that is yet to be tried nothing is known
            try:
                with closing(driver):
                    driver.open()
                    self._lines_up()
                    self._deliver_from(driver)
            except CameraError as error:
                failures = failures + 1 if self.sequence == begun else 1
                self.log.error("camera_lost", error=str(error), action=error.action.value, retry_ms=wait_ms)
                if failures >= _FRESH_AFTER and isinstance(self.config, GenicamCamera):
                    # A vendor's library may hold on to a device that it has lost; a new process has none of that.
                    self.log.error("camera_lost_for_good", action="a fresh process", failures=failures)
                    self.stage.tell(tell="fresh")
                    return
            finally:
                self.board[self._cell(CameraCell.PRESENT)] = 0
                self.board[self._cell(CameraCell.HEARS)] = Hears.NOTHING
            if self.stage.stopping:
                return
            if self.sequence > begun:
                wait_ms = self.config.reopen_min_ms
            self._wait(wait_ms)
            wait_ms = min(2 * wait_ms, self.config.reopen_max_ms)
            self.board.add(self._cell(CameraCell.REOPENED))

    def _lines_up(self) -> None:
        """The camera is open: say so, and hold a replayed line back until it may run."""
        self.progress()  # before it counts as present: the heartbeat watches from then on
        self.board[self._cell(CameraCell.LAST_FRAME_NS)] = now_ns()
        self.board[self._cell(CameraCell.PRESENT)] = 1
        self.board[self._cell(CameraCell.HEARS)] = hears(self.config)
        self.log.info("camera_open")
        self.stage.go_realtime()
        if isinstance(self.config, ReplayCamera) and self.config.wait_ready and self.sequence == 0:
            while not self.board[Cell.READY] and not self.stage.stopping:
                self._wait(5)
            self.board[self._cell(CameraCell.LAST_FRAME_NS)] = now_ns()

    def _wait(self, wait_ms: float) -> None:
        until_ns = now_ns() + int(wait_ms * 1e6)
        while not self.stage.stopping and (left_ns := until_ns - now_ns()) > 0:
            select.select([self.stage.control], [], [], min(_SLICE_S, left_ns / 1e9))
            self.progress()

    def _deliver_from(self, driver: CameraDriver) -> None:
        slice_s = _SLICE_S
        silence_ns = int(self.config.silence_ms * 1e6)
        last = self._cell(CameraCell.LAST_FRAME_NS)
        image, template = self._claim()
        while not self.stage.stopping:
            grab = driver.fetch_into(image, template, slice_s)
            if grab is not None:
                if grab.dropped:
                    self._drop(grab.dropped)
                else:
                    self._announce(grab)
                    if grab.arrival is Arrival.FRAME:  # else the slot is still free, and taken once
                        image, template = self._claim()
                self.board[last] = now_ns()
            elif self.board[Cell.LINE_RUNNING] == 0:
                self.board[last] = now_ns()  # the line is stopped: silence is what is expected
            elif silence_ns and now_ns() - self.board[last] > silence_ns:
                raise CameraError(f"no frame for {self.config.silence_ms:g} ms")
            self.progress()

    def _claim(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Take the next slot; a part in it that was not judged is announced as overrun."""
        frame = self.frame + 1
        old_frame, old_sequence = self.slots[frame % len(self.slots)]
        self.frames.begin(frame)
        if old_frame > self.board[self._cell(CameraCell.RELEASED)]:
            self.board.add(self._cell(CameraCell.OVERRUNS))
            # The write is also the barrier between `begin` and the new pixels.
            self._send(self.to_plc, Announcement(Arrival.OVERRUN, self.camera, 0, old_sequence, 0, 0, 0, 0))
        return self.frames.planes(frame)

    def _announce(self, grab: Grab) -> None:
        ready_ns = now_ns()
        missed, before_ns = min(grab.missed_before, _MAX_GAP), self._before_ns
        self._before_ns = grab.trigger_ns or ready_ns
        for place in range(1, missed + 1):
            # Among several views one finds its part by its time. Now is the time of this frame's part.
            between_ns = (self._before_ns - before_ns) * place // (missed + 1) if self._several else 0
            self._part_without_image(Arrival.NO_IMAGE, 0, before_ns + between_ns if self._several else ready_ns)
        self.board.add(self._cell(CameraCell.MISSED), grab.missed_before)
        if grab.arrival is not Arrival.FRAME:
            count = CameraCell.INCOMPLETE if grab.arrival is Arrival.INCOMPLETE else CameraCell.MISSED
            self.board.add(self._cell(count))
            self._part_without_image(grab.arrival, grab.trigger_ns, ready_ns, grab.trigger_id)
            return
        self.frame += 1
        self.sequence += 1
        self.slots[self.frame % len(self.slots)] = (self.frame, self.sequence)
        fov, trigger_id = self._shown(grab.fov, grab.trigger_ns or ready_ns, grab.trigger_id)
        self.frames.publish(
            self.frame, grab.shape, fov=fov, trigger_ns=grab.trigger_ns, ready_ns=ready_ns,
            has_template=grab.has_template,
        )  # fmt: skip
        announcement = Announcement(
            Arrival.FRAME, self.camera, fov, self.sequence, self.frame, grab.trigger_ns, ready_ns,
            (grab.trigger_ns or ready_ns) + self.deadline_ns, trigger_id,
        )  # fmt: skip
        self.board[self._cell(CameraCell.SEQUENCE)] = self.sequence
        self.board[self._cell(CameraCell.FRAME)] = self.frame
        self.board.add(self._cell(CameraCell.FRAMES))
        # plc first: should we be killed between the two, the part is rejected as late, not forgotten.
        self._send(self.to_plc, announcement)
        self._send(self.to_inspection, announcement)

    def _drop(self, why: Dropped) -> None:
        """A frame of a part that has been announced: another announcement would be a part that is not there."""
        self.board.add(self._cell(CameraCell.LATE if why is Dropped.LATE else CameraCell.DOUBLED))
        if self._lines.take(why.name, now_ns()):
            self.log.warning("frame_dropped", why=why.name.lower())

    def clock_said(self, event: ClockEvent, why: str) -> None:
        """What became of the camera's clock: counted, logged, and where it is refused an alarm."""
        if event is ClockEvent.STEPPED:
            self.board.add(self._cell(CameraCell.CLOCK_STEPS))
        if self._lines.take(event.name, now_ns()):
            log = self.log.info if event is ClockEvent.AGREED else self.log.warning
            log("camera_clock", outcome=event.value, detail=why)
        if event is not ClockEvent.STEPPED:
            self._say_clock(why if event is ClockEvent.REFUSED else "")

    def _say_clock(self, refusal: str) -> None:
        if refusal or self._clock_refused:
            self._clock_refused = bool(refusal)
            detail = refusal and f"camera {self.config.name}: {refusal}"
            self.stage.tell(tell="camera_clock", camera=self.camera, detail=detail)

    def _part_without_image(
        self, arrival: Arrival, trigger_ns: int, ready_ns: int, trigger_id: int = 0
    ) -> None:
        self.sequence += 1
        self.board[self._cell(CameraCell.SEQUENCE)] = self.sequence
        deadline_ns = (trigger_ns or ready_ns) + self.deadline_ns
        fov, trigger_id = self._shown(self.fov, trigger_ns or ready_ns, trigger_id)
        announcement = Announcement(
            arrival, self.camera, fov, self.sequence, 0, trigger_ns, ready_ns, deadline_ns, trigger_id
        )
        self._send(self.to_plc, announcement)

    def _shown(self, fov: int, at_ns: int, trigger_id: int) -> tuple[int, int]:
        """The field of view of this view, `fov` where its camera has one alone, and the PLC's number of its part."""
        if self._fovs is None:
            return fov, trigger_id
        fov = self._fovs.of(self.sequence, at_ns, trigger_id)
        return fov, part_trigger(trigger_id, fov)

    def _send(self, fd: int, announcement: Announcement) -> None:
        try:
            ring(fd, announcement)
        except DoorbellFullError:
            # The reader has been dead for thousands of parts, which the supervisor is dealing with;
            # with no announcement there is no verdict, and the PLC's preset rejects.
            self.board.add(self._cell(CameraCell.OVERRUNS))


def hears(config: CameraSection) -> Hears:
    """What the driver of `config` reads from its pipe."""
    if isinstance(config, ReplayCamera):
        return Hears.TRIGGERS if config.pace == "plc" else Hears.NOTHING
    if isinstance(config, GenicamCamera) and config.trigger_within_ms is not None:
        return Hears.READINGS
    return Hears.NOTHING


def fovs_of(config: CameraSection) -> Fovs | None:
    """What tells the fields of view of a camera that takes several of a part; None: it has one, or chunks tell."""
    if config.fovs is None:
        return None
    if config.fov_from == "trigger_id":
        return ByTrigger(config.fovs)
    if isinstance(config, GenicamCamera) and config.fov_pause_ms is not None:
        return ByPause(config.fovs, int(config.fov_pause_ms * 1e6))
    return ByCount(config.fovs)


def make_driver(
    stage: Stage, camera: int, first_part: int, clock_said: Callable[[ClockEvent, str], None]
) -> CameraDriver:
    """The driver that the configuration names. The vendors' packages are imported only where used."""
    config = stage.config.cameras[camera]
    takt_ns = int(stage.config.line.takt_ms * 1e6) // (config.fovs or 1)  # of its triggers
    trigger_fd = stage.fds.get(f"triggers{camera}_r")
    if isinstance(config, GenicamCamera):
        from aoi_daemon.acquire.genicam import GenicamDriver  # noqa: PLC0415

        return GenicamDriver(config, takt_ns, trigger_fd=trigger_fd, clock_said=clock_said)
    from aoi_daemon.acquire.replay import ReplayDriver  # noqa: PLC0415

    return ReplayDriver(config, takt_ns, trigger_fd=trigger_fd, first_part=first_part)


def main(stage: Stage) -> None:
    """Entry of the process."""
    Acquire(stage).run()
