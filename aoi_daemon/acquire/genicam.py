"""A GenICam camera through its vendor's GenTL producer. The only module that imports harvesters and genicam.

Process: acquire, one driver at a time (a second one in a process finds the producer in use). Blocks: in
the producer, at most SLICE_MS at a time, and holds the GIL meanwhile (harvesters issue 508).
Memory: harvesters' buffers; each is copied out and queued again before `fetch_into` returns.

harvesters finds the device, reads its description, owns the buffers, starts and stops. The wait for a
buffer is ours, on the producer's own event, because harvesters' `fetch` asks every millisecond and burns
a core, measures its time-out by the wall clock (set back by an hour, it waits an hour), throws incomplete
buffers away with their ids, and loses the padding of rows.

A call into a producer whose camera has gone may never come back, and Python cannot end it: the board's
heartbeat and the supervisor's `open_s` are there for that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import numpy as np
from genicam import genapi, gentl
from harvesters.core import Harvester
from harvesters.util.pfnc import dict_by_ints
from numpy.typing import NDArray

from aoi_daemon.acquire import nodes
from aoi_daemon.acquire.buffers import BufferReader, CameraFacts
from aoi_daemon.acquire.camera import Grab
from aoi_daemon.acquire.clock import ClockEvent
from aoi_daemon.acquire.devices import Device, choose
from aoi_daemon.acquire.numbers import TriggerNumbers
from aoi_daemon.acquire.pixels import use_one_thread
from aoi_daemon.acquire.sigint import sigint_kept
from aoi_daemon.acquire.stamps import QueueWatch
from aoi_daemon.acquire.ticks import HZ_NODES, INCREMENT_NODES, LATCH_NODES, PRODUCER, rates
from aoi_daemon.acquire.triggers import TriggerPipe
from aoi_daemon.config.cameras import GenicamCamera
from aoi_daemon.errors import CameraError, CameraSettingError
from aoi_daemon.stage.logs import logger

SLICE_MS: Final = 20
"""Longest single wait in the producer: Python runs no signal handler before it is over."""
AWAKE_NS: Final = (SLICE_MS + 20) * 1_000_000
"""A wait that took longer than this was no wait: the process was held up."""
PRESENCE_NS: Final = 1_000_000_000
"""While no frame comes, the camera is asked so often whether it is still there."""

_UNAVAILABLE: Final = (gentl.GenericException, genapi.GenericException, AttributeError)
# harvesters lets what it did not expect of a camera out as whatever Python made of it.
_FAULTS: Final = (*_UNAVAILABLE, RuntimeError, OSError, LookupError, TypeError, ValueError, AssertionError)
_REFUSALS: Final = (genapi.GenericException, TypeError, ValueError, OverflowError)


class GenicamDriver:
    """The camera that `config` names; see `CameraDriver`. A camera brings no template.

    Args:
        config: the camera's section.
        takt_ns: time from part to part.
        trigger_fd: read end of the pipe of `Reading`s, where the PLC's trigger numbers are wanted.
        clock_said: what became of the camera's own clock; see `CameraClock`.
        clock: as `time.monotonic_ns`.
    """

    def __init__(
        self,
        config: GenicamCamera,
        takt_ns: int,
        *,
        trigger_fd: int | None = None,
        clock_said: Callable[[ClockEvent, str], None] = lambda _event, _why: None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._config = config
        self._takt_ns = takt_ns
        self._pipe = None if trigger_fd is None or config.trigger_within_ms is None else TriggerPipe(trigger_fd)
        self._clock = clock
        self._clock_said = clock_said
        self._log = logger().bind(camera=config.name)
        self._harvester: Any = None
        self._acquirer: Any = None
        self._events: Any = None

    def open(self) -> None:
        """See `CameraDriver.open`."""
        self.close()
        use_one_thread()
        try:
            with _as_camera_error(f"camera {self._config.name} did not open"):
                self._find()
                facts = self._set_up()
                self._watch = QueueWatch(AWAKE_NS)
                self._numbers = self._numbers_of_triggers()
                self._reader = BufferReader(self._config, facts, self._watch, self._numbers, self._clock_said)
                self._start()
        except BaseException:
            self.close()
            raise

    def fetch_into(self, image: NDArray[np.uint8], template: NDArray[np.uint8], timeout_s: float) -> Grab | None:
        """See `CameraDriver.fetch_into`."""
        if self._events is None:
            raise CameraError(f"camera {self._config.name} is not open")
        with _as_camera_error(f"camera {self._config.name} is lost"):
            # What is there already is as old as it is; only what comes while we wait is new.
            waited = not self._comes(0)
            came = not waited or self._wait(timeout_s)
            self._read_triggers()
            if not came:
                self._ask_presence()
                return None
            buffer = self._events.buffer
            try:
                self._seen_ns = self._clock()
                return self._reader.read(buffer, image, self._seen_ns, waited=waited)
            finally:
                buffer.parent.queue_buffer(buffer)

    def close(self) -> None:
        """See `CameraDriver.close`."""
        harvester, acquirer = self._harvester, self._acquirer
        self._harvester = self._acquirer = self._events = None
        # Whatever a dead camera answers, the next step is still due: a producer that stays open is not
        # opened again by this process.
        if acquirer is not None:
            with suppress(Exception):
                acquirer.__exit__(None, None, None)  # unlike `destroy` it lets go of the object as well
        if harvester is not None:
            with suppress(Exception):
                harvester.image_acquirers.clear()
                harvester.reset()

    def _find(self) -> None:
        config, path = self._config, self._config.producer
        if not path.is_file():
            raise CameraError(f"producer {path}: no such file")
        self._harvester = harvester = Harvester()
        harvester.add_file(str(path))
        harvester.update()
        infos = list(harvester.device_info_list)
        if not infos:
            _check_loads(harvester, str(path))
        devices = [
            Device(*(_ask(info, key) for key in ("serial_number", "model", "user_defined_name", "id_", "vendor")))
            for info in infos
        ]
        index = choose(
            devices, serial=config.serial, model=config.model, user_name=config.user_name,
            device_id=config.device_id, index=config.index,
        )  # fmt: skip
        with sigint_kept(), _as_camera_error(f"{devices[index]} is there, but does not open"):
            self._acquirer = harvester.create(index)

    def _set_up(self) -> CameraFacts:
        self._nodes = node_map = self._acquirer.remote_device.node_map
        if why := nodes.stop(node_map, _REFUSALS):
            self._log.warning("camera_not_stopped", detail=why)
        for node, asked, got in nodes.apply(node_map, self._config.settings, _REFUSALS):
            self._log.info("camera_rounded", node=node, asked=asked, got=got)
        mode = _ask(_ask(node_map, "AcquisitionMode"), "value")
        if mode not in {None, "Continuous"}:
            raise CameraSettingError(f"AcquisitionMode is {mode}: the camera would fall silent; set Continuous")
        chunk_id, chunk_stamp = _ask(node_map, "ChunkFrameID"), _ask(node_map, "ChunkTimestamp")
        chunk_fov = self._fov_node(node_map)
        chunked = _ask(_ask(node_map, "ChunkModeActive"), "value") is True and (chunk_id or chunk_stamp or chunk_fov)
        return CameraFacts(
            pixel_format=str(node_map.PixelFormat.value),
            width_px=int(node_map.Width.value),
            height_px=int(node_map.Height.value),
            unavailable=_UNAVAILABLE,
            format_of=dict_by_ints.get,
            chunk_id=chunk_id if chunked else None,
            chunk_stamp=chunk_stamp if chunked else None,
            chunk_fov=chunk_fov,
            read_chunks=self._read_chunks if chunked else None,
            rates=rates(self._clock_nodes()),
        )

    def _fov_node(self, node_map: Any) -> Any:
        """The node that tells a frame's field of view, None where the configuration names none.

        Raises:
            CameraSettingError: the camera has no such node, or chunks are off: every frame would be INCOMPLETE.
        """
        name = self._config.fov_chunk
        if name is None:
            return None
        if not node_map.has_node(name):
            raise CameraSettingError(f"fov_chunk = {name!r}: this camera has no such node")
        if _ask(_ask(node_map, "ChunkModeActive"), "value") is not True:
            raise CameraSettingError(f"fov_chunk = {name!r}: chunks are off; set ChunkModeActive = true in settings")
        return node_map.get_node(name)

    def _clock_nodes(self) -> dict[str, object]:
        """What says how fast the camera's clock ticks: its own nodes, the producer's of the device, the producer."""
        device = _ask(self._acquirer, "device")
        found: dict[str, object] = {}
        for node_map in (_ask(device, "node_map"), self._nodes):
            for name in (*HZ_NODES, *INCREMENT_NODES):
                found[name] = _ask(_ask(node_map, name), "value") or found.get(name)
            for name in LATCH_NODES:
                found[name] = _ask(_ask(node_map, name), "inc") or found.get(name)
        found[PRODUCER] = _ask(_ask(device, "module"), "timestamp_frequency")
        return found

    def _read_chunks(self, buffer: Any) -> None:
        # The public way builds a payload, with its copies, around each buffer.
        self._acquirer._update_chunk_data(buffer=buffer, is_manual=True)

    def _start(self) -> None:
        acquirer = self._acquirer
        acquirer.num_buffers = max(self._config.buffers, acquirer.min_num_buffers)
        acquirer.start()
        # Not public in 1.4.3, to which pyproject.toml holds us: GenTL allows one listener to an event,
        # and this is it.
        self._events = next(iter(acquirer._new_buffer_event_monitor_dict.values()))
        for _ in range(acquirer.num_buffers):  # a triggered camera may still hold frames from before the restart
            if not self._comes(0):
                break
            buffer = self._events.buffer
            buffer.parent.queue_buffer(buffer)
        self._seen_ns = self._clock()
        self._watch.empty(self._seen_ns)

    def _comes(self, timeout_ms: int) -> bool:
        try:
            self._events.update_event_data(timeout_ms)
        except gentl.TimeoutException:
            return False
        return True

    def _wait(self, timeout_s: float) -> bool:
        now_ns = self._clock()
        until_ns = now_ns + int(timeout_s * 1e9)
        while now_ns < until_ns:
            self._watch.empty(now_ns)
            left_ms = -(-(until_ns - now_ns) // 1_000_000)
            if self._comes(min(SLICE_MS, left_ms)):
                return True
            now_ns = self._clock()
        return False

    def _numbers_of_triggers(self) -> TriggerNumbers | None:
        if self._pipe is None or self._config.trigger_within_ms is None:
            return None
        self._pipe.flush()
        return TriggerNumbers(self._takt_ns, int(self._config.trigger_within_ms * 1e6))

    def _read_triggers(self) -> None:
        """All that plc has read by now, before the frame is looked at: a miss is then known as early as can be."""
        if self._pipe is None or self._numbers is None:
            return
        while (reading := self._pipe.take()) is not None:
            self._numbers.reading(reading)

    def _ask_presence(self) -> None:
        """Raise unless a camera that has been silent for a while still answers."""
        now_ns = self._clock()
        if now_ns - self._seen_ns > PRESENCE_NS:
            self._nodes.Width.get_value(False, True)  # not from the cache
            self._seen_ns = now_ns


def _ask(subject: Any, attribute: str) -> Any:
    """What `subject` says; None where it does not tell."""
    try:
        return getattr(subject, attribute)
    except _UNAVAILABLE:
        return None


def _check_loads(harvester: Any, path: str) -> None:
    """Raise if the producer does not load or is in use; harvesters passes over it, asked alone it says why."""
    harvester.reset()
    with _as_camera_error(f"producer {path} cannot be used"):
        producer = gentl.GenTLProducer.create_producer()
        producer.open(path)
        producer.close()


@contextmanager
def _as_camera_error(what: str) -> Iterator[None]:
    """Make whatever the vendor's code raises our error, at once."""
    try:
        yield
    except _FAULTS as error:
        raise CameraError(f"{what}: {type(error).__name__}: {error}") from error
