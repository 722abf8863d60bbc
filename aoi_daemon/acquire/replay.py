"""A camera that replays images, triggered by the line's takt or by the PLC.

Process: acquire. Blocks: in `fetch_into`, asleep until the trigger or the time-out.
Memory: the images (see `images`); nothing is allocated for a part but what decoding one ahead takes.

Part n shows image (n - 1) modulo their number, also after a restart, also when parts were missed. An
image is mosaiced or not when it is decoded, so that each part takes the way of a real camera's frame: from
the camera's pixel format into the ring's plane.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.acquire.camera import Grab
from aoi_daemon.acquire.images import Image, Source, Stills, Truth
from aoi_daemon.acquire.pace import PhotoEye, PlcPace, TaktPace, Trigger
from aoi_daemon.acquire.pixels import Converter, use_one_thread
from aoi_daemon.acquire.video import Video
from aoi_daemon.config.cameras import ReplayCamera
from aoi_daemon.errors import CameraError
from aoi_daemon.messages import Arrival
from aoi_daemon.pictures import SUFFIXES

# Where in each cell of 2 x 2 pixels (row, column) the bands blue, green and red are taken.
_CELLS: Final[dict[str, tuple[tuple[int, int, int], ...]]] = {
    "BayerRG8": ((0, 0, 2), (0, 1, 1), (1, 0, 1), (1, 1, 0)),
    "BayerGB8": ((0, 0, 1), (0, 1, 0), (1, 0, 2), (1, 1, 1)),
    "BayerGR8": ((0, 0, 1), (0, 1, 2), (1, 0, 0), (1, 1, 1)),
    "BayerBG8": ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)),
}


class ReplayDriver:
    """Images of `config.source` in place of a camera; see `CameraDriver`.

    Args:
        config: the camera's section.
        takt_ns: time from part to part where `config.pace` is takt.
        trigger_fd: read end of the pipe of triggers where `config.pace` is plc; see `messages.Reading`.
        first_part: number of the next part, more than 1 after a restart.
        clock, sleep: as `time.monotonic_ns` and `time.sleep`.
    """

    def __init__(
        self,
        config: ReplayCamera,
        takt_ns: int,
        *,
        trigger_fd: int | None = None,
        first_part: int = 1,
        clock: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._config = config
        self._takt_ns = takt_ns
        self._trigger_fd = trigger_fd
        self._part = first_part
        self._clock = clock
        self._sleep = sleep
        self._source: Source | None = None
        self._eye: PhotoEye | None = None
        self._plc: PlcPace | None = None
        self._converters: dict[tuple[int, int], Converter] = {}
        self._missed = 0

    def open(self) -> None:
        """Decode the images; see `CameraDriver.open`.

        Raises:
            CameraError: an image, a label, the video or the address of the photo eye is wrong, or an
                image is larger than the ring's frames. Names the file.
        """
        self.close()
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        use_one_thread()
        self._takt = TaktPace(self._takt_ns)
        if self._config.pace == "plc":
            if self._trigger_fd is None:
                raise CameraError('pace = "plc" without a pipe of triggers')
            self._plc = PlcPace(self._trigger_fd)
        if self._config.photo_eye is not None:
            self._eye = PhotoEye(self._config.photo_eye)
        source = self._read_source()
        self._last = self._config.parts or 2**63
        if not self._config.loop:
            self._last = min(self._last, len(source))
        source.ahead((self._part - 1) % len(source))
        if self._plc is not None:
            self._plc.flush()
        self._source = source

    def close(self) -> None:
        """See `CameraDriver.close`."""
        if self._eye is not None:
            self._eye.close()
        self._source = self._eye = self._plc = None
        self._converters.clear()

    def truth(self, part: int) -> Truth:
        """What the label file says of part `part`, counted from 1."""
        source = self._opened()
        return source.truth((part - 1) % len(source))

    def fetch_into(self, image: NDArray[np.uint8], template: NDArray[np.uint8], timeout_s: float) -> Grab | None:
        """See `CameraDriver.fetch_into`. None for ever once the last part has been delivered."""
        source = self._opened()
        if self._part > self._last:
            return self._fall_silent(timeout_s)
        # Now nothing else is due: the trigger has not come.
        source.ahead((self._part - 1) % len(source))
        trigger = self._await_plc(timeout_s) if self._plc is not None else self._await_takt(timeout_s)
        if trigger is None or self._part > self._last:
            return None
        self._see(trigger.at_ns)
        index = (self._part - 1) % len(source)
        picture = source.take(index)
        if picture is None:
            self._part += 1
            missed, self._missed = self._missed, 0
            return Grab(
                Arrival.NO_IMAGE, (0, 0, 0), trigger_ns=trigger.at_ns, missed_before=missed, trigger_id=trigger.id
            )  # fmt: skip
        converter = self._converters[picture.image.shape[:2]]
        converter.convert(picture.image.reshape(-1), 0, image)
        if picture.template is not None:
            converter.convert(picture.template.reshape(-1), 0, template)
        self._part += 1
        missed, self._missed = self._missed, 0
        return Grab(
            Arrival.FRAME, converter.shape, self._config.fov or 0, trigger_ns=trigger.at_ns, missed_before=missed,
            has_template=picture.template is not None, trigger_id=trigger.id,
        )  # fmt: skip

    def _fall_silent(self, timeout_s: float) -> Grab | None:
        """After the last part: first tell of those that were missed at the very end."""
        if self._missed:
            missed, self._missed = self._missed, 0
            return Grab(Arrival.NO_IMAGE, (0, 0, 0), missed_before=missed - 1)
        self._sleep(timeout_s)
        if self._plc is not None:
            self._plc.flush()
        return None

    def _opened(self) -> Source:
        if self._source is None:
            raise CameraError(f"camera {self._config.name} is not open")
        return self._source

    def _await_takt(self, timeout_s: float) -> Trigger | None:
        until_ns = self._clock() + int(timeout_s * 1e9)
        while True:
            now_ns = self._clock()
            # Asked after each sleep too: we may have slept far longer than we wanted.
            for due_ns in self._takt.missed(now_ns):
                self._miss(due_ns)
            due_ns = self._takt.next_ns(now_ns)
            if now_ns >= due_ns:
                self._takt.taken()
                return Trigger(due_ns, 0)
            if now_ns >= until_ns:
                return None
            self._sleep((min(due_ns, until_ns) - now_ns) / 1e9)

    def _await_plc(self, timeout_s: float) -> Trigger | None:
        assert self._plc is not None
        trigger = self._plc.wait(timeout_s)
        if trigger is not None:
            for _ in range(trigger.missed):
                self._miss(trigger.at_ns)
        return trigger

    def _miss(self, at_ns: int) -> None:
        """A part went past untaken: it has a number, and the sensor saw it, like any other."""
        if self._part <= self._last:
            self._see(at_ns)
            self._part += 1
            self._missed += 1

    def _see(self, at_ns: int) -> None:
        if self._eye is not None:
            self._eye.see(self._part, at_ns, self.truth(self._part))

    def _read_source(self) -> Source:
        config, path = self._config, self._config.source
        colour = config.pixel_format != "Mono8"
        if path.is_dir():
            return Stills(
                path, colour=colour, bits=config.bits, preload=config.preload, expose=self._expose
            )  # fmt: skip
        if not path.is_file():
            raise CameraError(f"{path}: no such folder or video file")
        if path.suffix.lower() in SUFFIXES:
            # OpenCV would take its name for the first of a numbered sequence.
            raise CameraError(f"{path}: is an image; name the folder that it is in")
        return Video(path, colour=colour, preload=config.preload, takt_ns=self._takt_ns, expose=self._expose)

    def _expose(self, picture: Image, name: str) -> Image:
        """What the sensor sends of a picture; also the place where its size is checked."""
        config = self._config
        height_px, width_px = picture.shape[:2]
        if width_px > config.max_width_px or height_px > config.max_height_px:
            raise CameraError(
                f"{name}: is {width_px}x{height_px} px, the ring holds at most "
                f"{config.max_width_px}x{config.max_height_px} (max_width_px, max_height_px)"
            )
        if (height_px, width_px) not in self._converters:
            self._converters[height_px, width_px] = Converter(config.pixel_format, config.channels, width_px, height_px)
        if config.pixel_format not in _CELLS:
            return picture
        raw = np.empty((height_px, width_px), np.uint8)
        for row, column, band in _CELLS[config.pixel_format]:
            raw[row::2, column::2] = picture[row::2, column::2, band]
        return raw
