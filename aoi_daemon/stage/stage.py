"""What every stage process has: its setup, its tie to the supervisor, its real-time face.

A stage is `aoi-daemon stage NAME FD`: a fresh interpreter, never a fork (CUDA
does not survive one). FD is a socket to the supervisor. The first message on it
brings the setup and the descriptors of shared memory and doorbells; later ones
bring commands; its end means that the supervisor is gone.

SIGTERM before a stage is ready ends it at once, plc as soon as the safe state is
written; that is a stop, and no crash. From then on the supervisor says when.

The processes off the critical path (OFF_PATH) start the same way, but they are given
memory that they can only read, and ordinary, lowered priority.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import socket as sockets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.ring.frames import FrameRing, RingLayout
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.ring.parcel import MessageError, receive, send, send_parcel
from aoi_daemon.stage import realtime
from aoi_daemon.stage.board import SIZE_BYTES, Board
from aoi_daemon.stage.logs import configure, logger

OFF_PATH: Final = ("recorder", "hmi", "publisher", "notifier")
"""Off the critical path: none of them gates a part, and READY does not depend on them."""
SECTIONS: Final = {name: name for name in OFF_PATH} | {"notifier": "notices"}
"""The section of line.toml that says whether each of them is wanted."""
START_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What a terminal or the service manager sends to all processes of the service; blocked while a stage is started."""
_NICE: Final = 10
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
_STARTING_PRIORITY: Final = 1


@dataclass(frozen=True)
class Setup:
    """All that a stage is told at its start.

    `index` is the camera's number for acquire; `run` is a name of this start of
    the daemon, 32 hex digits; `socket` is the control socket. `standby`: an
    inspection that proves itself beside the one on the line, and waits. `product`
    is the recipe's file without its ending; `upgraded`: it was in use before proof
    of it was asked for, and may be for a while without. `engines`: where inspection
    keeps what it has measured; `left_out`: executors by name that crashed it again and
    again, and how often. `lanes`: how many lanes lane 0 has chosen at its start; 0: it has
    not, or their number is named.
    """

    stage: str
    index: int
    config: LineConfig
    recipe: Recipe
    log_format: str
    run: str
    config_file: Path
    socket: Path
    fds: dict[str, int] = field(default_factory=dict)
    standby: bool = False
    product: str = ""
    upgraded: bool = False
    engines: Path = Path()
    left_out: dict[str, str] = field(default_factory=dict)
    lanes: int = 0

    @property
    def body(self) -> dict[str, Any]:
        """All but the descriptors, as it is sent."""
        return {
            "stage": self.stage,
            "index": self.index,
            "config": self.config.model_dump_json(),
            "recipe": self.recipe.model_dump_json(),
            "log_format": self.log_format,
            "run": self.run,
            "config_file": str(self.config_file),
            "socket": str(self.socket),
            "fds": list(self.fds),
            "standby": self.standby,
            "product": self.product,
            "upgraded": self.upgraded,
            "engines": str(self.engines),
            "left_out": self.left_out,
            "lanes": self.lanes,
        }

    def send(self, control: sockets.socket) -> None:
        """Supervisor: send this with its descriptors. Raises MessageError and OSError as `send_parcel` does."""
        send_parcel(control, self.body, list(self.fds.values()))

    @classmethod
    def receive(cls, control: sockets.socket) -> Setup:
        """Stage: the inverse of `send`; the descriptors are this process' own."""
        found = receive(control)
        if found is None:
            raise MessageError("the supervisor is gone")
        body, fds = found
        return cls(
            stage=body["stage"],
            index=body["index"],
            config=LineConfig.model_validate_json(body["config"]),
            recipe=Recipe.model_validate_json(body["recipe"]),
            log_format=body["log_format"],
            run=body["run"],
            config_file=Path(body["config_file"]),
            socket=Path(body["socket"]),
            fds=dict(zip(body["fds"], fds, strict=True)),
            standby=body["standby"],
            product=body["product"],
            upgraded=body["upgraded"],
            engines=Path(body["engines"]),
            left_out=body["left_out"],
            lanes=body["lanes"],
        )


def ring_layout(config: LineConfig, camera: int) -> RingLayout:
    """The layout of the frame ring of camera number `camera`."""
    section = config.cameras[camera]
    return RingLayout(
        config.ring.slots_of(section), section.max_width_px, section.max_height_px, section.channels,
        has_templates=section.has_templates,
    )  # fmt: skip


class Stage:
    """The process' side of its setup: board, log, stop request."""

    def __init__(self, control_fd: int) -> None:
        # What they ask of all processes of the service is the supervisor's to do, in its order.
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self.control = sockets.socket(fileno=control_fd)
        self.setup = Setup.receive(self.control)
        self.control.setblocking(False)
        self.config = self.setup.config
        self.fds = self.setup.fds
        self.stopping = False
        self._refusal_told = False
        self._stood_aside: tuple[int, str] | None = None  # niceness and oom_score_adj as they were
        name = self.setup.stage
        configure(name, self.config.log.level, self.setup.log_format)
        self.log = logger()
        if name == "plc":
            # So does the SIGABRT of systemd's watchdog, and plc still has the safe state to write.
            signal.signal(signal.SIGABRT, signal.SIG_IGN)
            # For the same reason it ends by its own loop, and not at once as the others do until they are ready.
            signal.signal(signal.SIGTERM, self._stop_in_order)
        # They were blocked when this process was started: what came meanwhile is heard now.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, START_SIGNALS)
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_NAME, f"aoi-{name}".encode()[:15], 0, 0, 0)
        if name in OFF_PATH:
            os.nice(_NICE)
            realtime.be_first_to_go()
        elif name != "plc":
            # plc outlives the supervisor for the moment it needs to write the safe state; those off the critical
            # path for what they need to end their work.
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        self.board = Board(self.memory("board", SIZE_BYTES))

    def _stop_in_order(self, _number: int, _frame: object) -> None:
        self.stopping = True

    @staticmethod
    def ready() -> None:
        """The stage does its work, and hears the supervisor: SIGTERM is left to that one from now on."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def memory(self, name: str, size_bytes: int) -> SharedMemory:
        """Attach to the shared memory sent as `name`; it goes with the process. Off the critical path: read only."""
        return SharedMemory(self.fds[name], size_bytes, read_only=self.setup.stage in OFF_PATH)

    def frame_ring(self, camera: int) -> FrameRing:
        """The frame ring of camera number `camera`."""
        layout = ring_layout(self.config, camera)
        return FrameRing(self.memory(f"ring{camera}", layout.size_bytes), layout)

    def commands(self) -> list[dict[str, Any]]:
        """Commands waiting on the control socket; sets `stopping` on `stop` and when the supervisor is gone."""
        found: list[dict[str, Any]] = []
        while True:
            try:
                message = receive(self.control)
            except BlockingIOError:
                return found
            except OSError:
                message = None
            if message is None:
                self.stopping = True
                return found
            command, _ = message
            if command["do"] == "stop":
                self.stopping = True
            found.append(command)

    def tell(self, **message: Any) -> None:
        """Send a message to the supervisor; dropped when it does not listen, and said where it does not fit.

        `alive`, the word of those off the critical path, says that they are ready.
        """
        if message.get("tell") == "alive":
            self.ready()
        try:
            send(self.control, message)
        except MessageError as error:
            self.log.error("message_not_sent", error=str(error))
        except OSError:
            pass

    def prepare_realtime(self) -> None:
        """For start-up and re-opening: locked memory, and above ordinary work but below every stage that runs.

        Imports and a camera's discovery burn a core for a second; at the stage's own priority
        they were seen to hold up another stage's parts for 400 ms.
        """
        section = self.config.realtime
        refused: list[str] = []
        if self.setup.standby:
            self._stood_aside = realtime.stand_aside()
        elif section.fifo and not realtime.set_policy(os.SCHED_FIFO, _STARTING_PRIORITY):
            refused.append("SCHED_FIFO (LimitRTPRIO= in the unit, or rtprio in limits.conf)")
        if section.lock_memory and not realtime.lock_memory():
            refused.append("mlockall (LimitMEMLOCK=infinity in the unit)")
        if refused and not self._refusal_told:
            self._refusal_told = True
            self.log.warning("realtime_refused", refused=refused)
            self.tell(tell="realtime_refused")

    def go_realtime(self) -> None:
        """The last act before READY: all threads take the stage's priority; nothing is left to collect."""
        self.take_priority()
        self.freeze()

    @staticmethod
    def freeze() -> None:
        """All that is needed is there: nothing is left to collect, and nothing is looked at again."""
        gc.collect()
        gc.freeze()
        gc.disable()

    def take_priority(self) -> None:
        """The stage's own priority for all threads, where it is allowed."""
        if self._stood_aside is not None:
            realtime.step_up(*self._stood_aside)
            self._stood_aside = None
        if self.config.realtime.fifo:
            realtime.set_policy(os.SCHED_FIFO, getattr(self.config.realtime, f"{self.setup.stage}_priority"))

    def yield_priority(self) -> None:
        """Go on as ordinary work: for a stage that has come to load every core.

        The kernel gives ordinary work its share of a loaded core (50 ms in each second) ahead of every
        SCHED_FIFO thread, plc's among them: that was seen to cost a deadline.
        """
        if self.config.realtime.fifo:
            realtime.set_policy(os.SCHED_OTHER, 0)


def now_ns() -> int:
    """CLOCK_MONOTONIC in ns: the one clock of the path; a step of the wall clock does not touch it."""
    return time.monotonic_ns()
