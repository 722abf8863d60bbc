"""Read one GenTL buffer: its pixels into the ring, its id and stamps into a Grab.

Process: acquire. Blocks: never. Memory: writes the caller's plane; a converter is made when the layout
of the buffers changes. Knows no vendor: buffers are duck-typed (genicam.gentl's Buffer), and the
exceptions that mean "this producer does not tell" are passed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.acquire.camera import Dropped, Grab
from aoi_daemon.acquire.clock import CameraClock, ClockEvent
from aoi_daemon.acquire.numbers import TriggerNumbers
from aoi_daemon.acquire.pixels import FORMATS, Converter, check_format
from aoi_daemon.acquire.stamps import FrameIds, QueueWatch
from aoi_daemon.acquire.ticks import NANOSECONDS, Rate
from aoi_daemon.config.cameras import CameraSection
from aoi_daemon.errors import CameraError, CameraSettingError
from aoi_daemon.messages import Arrival

MAX_AGE_NS: Final = 10_000_000_000
"""A frame older than this when it is read: the queue is stale, or the camera's clock is not understood."""

# GenTL's PAYLOAD_TYPE_IMAGE and PAYLOAD_TYPE_CHUNK_DATA; UNKNOWN is what old producers say.
_IMAGE_PAYLOADS: Final = (0, 1, 4)

_DROPPED: Final[dict[int, Grab]] = {why: Grab(Arrival.NO_IMAGE, (0, 0, 0), dropped=why) for why in Dropped}
_MAX_FOV: Final = 65_535


def _unheard(_event: ClockEvent, _why: str) -> None:
    """Where nobody wants to know."""


@dataclass(frozen=True)
class CameraFacts:
    """What is known of an open camera before its first frame.

    `chunk_id` and `chunk_stamp` are the nodes ChunkFrameID and ChunkTimestamp where the camera has them, `chunk_fov`
    the one that the configuration names for the field of view; they are valid for a buffer after
    `read_chunks(buffer)`. `unavailable` are the exceptions by which
    the producer refuses an answer; `format_of` names a PFNC code (None: not known). `rates` are those that the
    camera's clock may have.
    """

    pixel_format: str
    width_px: int
    height_px: int
    unavailable: tuple[type[Exception], ...]
    format_of: Callable[[int], str | None]
    chunk_id: Any = None
    chunk_stamp: Any = None
    chunk_fov: Any = None
    read_chunks: Callable[[Any], None] | None = None
    rates: tuple[Rate, ...] = (NANOSECONDS,)


class _Layout(NamedTuple):
    code: int | None
    width_px: int
    height_px: int
    x_padding: int


class BufferReader:
    """Reads the buffers of one opened camera, in the order in which they came.

    Raises:
        CameraSettingError: the camera's format cannot be converted.
        CameraError: its frames do not fit the ring.
    """

    def __init__(
        self, limits: CameraSection, facts: CameraFacts, watch: QueueWatch, numbers: TriggerNumbers | None = None,
        clock_said: Callable[[ClockEvent, str], None] = _unheard,
    ) -> None:  # fmt: skip
        self._limits = limits
        self._facts = facts
        self._watch = watch
        self._numbers = numbers
        self._ids = FrameIds()
        self._clock = CameraClock(facts.rates, clock_said)
        self._first = True
        self._ticks_alone = False  # the producer gives stamps in ticks, and none in ns
        self._fov = limits.fov or 0
        self._code: int | None = None
        self._layout: _Layout | None = None
        check_format(facts.pixel_format)
        self._check_size(facts.width_px, facts.height_px)

    def read(self, buffer: Any, image: NDArray[np.uint8], arrived_ns: int, *, waited: bool) -> Grab:
        """Convert `buffer` to the front of `image` (flat uint8) and say what came with it.

        `arrived_ns` is now; `waited`: the buffer came while we waited, it was not there already.

        Raises:
            CameraError: format, size or numbering changed, or the frame is older than MAX_AGE_NS.
        """
        complete = bool(self._ask(buffer, "is_complete"))
        chunked = complete and self._has_chunks(buffer)
        frame_id = self._frame_id(buffer, chunked)
        missed = self._missed_before(frame_id)
        earliest_ns = self._watch.trigger_ns(arrived_ns, waited=waited)
        if missed < 0:
            return _DROPPED[missed]
        told_ns = self._told_ns(buffer, chunked, arrived_ns, fresh=not earliest_ns)
        trigger_ns = _trigger_ns(earliest_ns, told_ns, arrived_ns)
        trigger_id = 0
        if self._numbers is not None and frame_id is not None:
            latest_ns = told_ns or arrived_ns
            # A frame that waited for us came at some time since the queue was last empty.
            trigger_id = self._numbers.number(frame_id, min(earliest_ns or latest_ns, latest_ns), latest_ns)
        fov = self._fov if self._facts.chunk_fov is None else self._fov_of(chunked)
        converter = self._converter_for(buffer) if complete else None
        if fov is None or converter is None or not self._convert(buffer, converter, image):
            arrival, shape = Arrival.INCOMPLETE, (0, 0, 0)
        else:
            arrival, shape = Arrival.FRAME, converter.shape
        return Grab(arrival, shape, fov or 0, trigger_ns, missed, trigger_id=trigger_id)

    def _ask(self, subject: Any, attribute: str) -> Any:
        """What `subject` says, called if it is a method; None where it does not tell."""
        try:
            answer = getattr(subject, attribute)
            return answer() if callable(answer) else answer
        except self._facts.unavailable:
            return None

    def _convert(self, buffer: Any, converter: Converter, image: NDArray[np.uint8]) -> bool:
        """False: the buffer says that it is complete, and is not."""
        lines = self._ask(buffer, "delivered_image_height") or converter.shape[0]
        start = self._ask(buffer, "image_offset") or 0
        raw = buffer.raw_buffer
        # The memory is as large as the largest frame: behind what was filled lies an older part.
        filled = min(self._ask(buffer, "size_filled") or len(raw), len(raw))
        if lines < converter.shape[0] or filled - start < converter.source_bytes:
            return False
        converter.convert(raw, start, image)
        return True

    def _has_chunks(self, buffer: Any) -> bool:
        if self._facts.read_chunks is None:
            return False
        try:
            self._facts.read_chunks(buffer)
        except self._facts.unavailable:
            return False  # the pixels are good without them
        return True

    def _frame_id(self, buffer: Any, chunked: bool) -> int | None:
        # One numbering for the life of the camera: the chunk's and the transport's need not agree.
        if self._facts.chunk_id is None:
            found = self._ask(buffer, "frame_id")
        else:
            found = self._ask(self._facts.chunk_id, "value") if chunked else None
        return None if found is None else int(found)

    def _missed_before(self, frame_id: int | None) -> int:
        if frame_id is None:
            self._ids.unnumbered()
            return 0
        return self._ids.missed_before(frame_id)

    def _fov_of(self, chunked: bool) -> int | None:
        """The field of view that the frame's chunk tells; None: it does not, and a frame of no view is not judged."""
        told: Any = self._ask(self._facts.chunk_fov, "value") if chunked else None
        try:
            fov = int(told)
        except (TypeError, ValueError, OverflowError):
            return None
        return fov if 0 <= fov <= _MAX_FOV else None

    def _told_ns(self, buffer: Any, chunked: bool, arrived_ns: int, *, fresh: bool) -> int:
        """The moment of the camera's own stamp, 0 without one, and where its clock is not known."""
        if self._facts.chunk_stamp is not None:
            stamp = self._ask(self._facts.chunk_stamp, "value") if chunked else None
        else:
            stamp = self._ask(buffer, "timestamp" if self._ticks_alone else "timestamp_ns")
            if self._first:
                self._first = False
                if stamp is None and (stamp := self._ask(buffer, "timestamp")) is not None:
                    self._ticks_alone = True
        return self._clock.told_ns(int(stamp), arrived_ns, fresh=fresh) if stamp else 0

    def _converter_for(self, buffer: Any) -> Converter:
        payload = self._ask(buffer, "payload_type")
        if payload is not None and payload not in _IMAGE_PAYLOADS:
            raise CameraSettingError(
                f"payload type {int(payload)} is not supported: switch GenDC, multi-part and compression off"
            )
        layout = _Layout(
            self._ask(buffer, "pixel_format"),
            self._ask(buffer, "width") or self._facts.width_px,
            self._ask(buffer, "height") or self._facts.height_px,
            self._ask(buffer, "padding_x") or 0,
        )
        if layout != self._layout:
            self._check_code(layout.code)
            self._check_size(layout.width_px, layout.height_px)
            self._converter = Converter(
                self._facts.pixel_format, self._limits.channels,
                layout.width_px, layout.height_px, layout.x_padding,
            )  # fmt: skip
            self._layout = layout
        return self._converter

    def _check_code(self, code: int | None) -> None:
        """The frames are in the format that the camera was set to, and stay in it."""
        if code is None or code == self._code:
            return
        name = self._facts.format_of(code) or hex(code)
        told = self._facts.pixel_format
        # Aliases share one entry. A code that PFNC does not know is believed once: vendors have their own.
        if self._code is not None or (name in FORMATS and FORMATS[name] is not FORMATS[told]):
            raise CameraError(f"PixelFormat is {told}, but frames come as {name}")
        self._code = code

    def _check_size(self, width_px: int, height_px: int) -> None:
        most = self._limits
        if width_px > most.max_width_px or height_px > most.max_height_px:
            raise CameraError(
                f"camera {most.name} sends {width_px}x{height_px} px, the ring holds at most "
                f"{most.max_width_px}x{most.max_height_px} (max_width_px, max_height_px)"
            )


def _trigger_ns(earliest_ns: int, told_ns: int, arrived_ns: int) -> int:
    """The earlier of what the queue and the camera's stamp say, each 0 where it says nothing."""
    trigger_ns = min(earliest_ns, told_ns) if earliest_ns and told_ns else earliest_ns or told_ns
    if trigger_ns and arrived_ns - trigger_ns > MAX_AGE_NS:
        raise CameraError(f"a frame was {(arrived_ns - trigger_ns) / 1e9:.1f} s old when it was read")
    return trigger_ns
