"""The picture of the part that is shown: taken from the frame ring while it is there, sent as a small JPEG.

Process: hmi. Blocks: nowhere. Memory: copies out of the ring, then checks that the slot was still that frame's.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.cameras import Camera
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.views import recipe_for, views_of
from aoi_daemon.errors import AoiError, FrameOverrunError
from aoi_daemon.messages import Outcome
from aoi_daemon.pictures import read_picture
from aoi_daemon.ring.frames import FrameRing
from aoi_daemon.stage.logs import logger

SMALL_PX: Final = 640
"""The long side of what a page shows unzoomed."""
LARGE_PX: Final = 2048
"""The long side of what is kept to zoom into."""
_KEPT: Final = 4
_QUALITY: Final = 80
_REJECT_STAYS_NS: Final = 2_000_000_000
"""A reject is looked at for so long before good parts go by again."""

Image = NDArray[np.uint8]


@dataclass
class Shot:
    """A part and its pictures, at most LARGE_PX wide or high; `width_px` and `height_px` are the frame's own."""

    part: Outcome
    frame: Image | None = None
    template: Image | None = None
    template_key: str = ""
    width_px: int = 0
    height_px: int = 0
    _encoded: dict[tuple[str, bool], bytes] = field(default_factory=dict)

    def jpeg(self, kind: str, *, large: bool) -> bytes | None:
        """The `frame` or the `template` as JPEG; None where there is none."""
        image = self.frame if kind == "frame" else self.template
        if image is None:
            return None
        if (kind, large) not in self._encoded:
            # Encoded when a browser asks, once for all of them.
            self._encoded[kind, large] = to_jpeg(image, LARGE_PX if large else SMALL_PX)
        return self._encoded[kind, large]


def to_jpeg(image: Image, longest_px: int) -> bytes:
    """`image`, (H, W, 1 or 3) or (H, W) uint8, as JPEG with no side over `longest_px`."""
    ok, data = cv2.imencode(".jpg", shrink(image, longest_px), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not ok:
        raise AoiError(f"an image of shape {image.shape} could not be encoded as JPEG")
    return data.tobytes()


def shrink(image: Image, longest_px: int) -> Image:
    """A copy of `image` with no side over `longest_px`."""
    height_px, width_px = image.shape[:2]
    longest = max(height_px, width_px)
    if longest <= longest_px:
        return np.array(image, np.uint8)
    # Thinned out first: averaging 100 megapixels would cost a core for a tenth of a second.
    step = max(1, longest // (2 * longest_px))
    thin = np.ascontiguousarray(image[::step, ::step])
    scale = longest_px / max(thin.shape[:2])
    size = (max(1, round(thin.shape[1] * scale)), max(1, round(thin.shape[0] * scale)))
    small: Image = np.asarray(cv2.resize(thin, size, interpolation=cv2.INTER_AREA), np.uint8)
    return small


class Choice:
    """Which of the parts that went by is shown. Pure: time is passed in.

    The newest; but a reject before all good ones, and for two seconds alone.
    """

    def __init__(self) -> None:
        self._held_until_ns = 0

    def of(self, fresh: Sequence[Outcome], now_ns: int) -> Outcome | None:
        """The one of `fresh` (oldest first) to show now; None: what is shown stays."""
        reject = next((part for part in reversed(fresh) if not part.passed), None)
        if reject is not None:
            self._held_until_ns = now_ns + _REJECT_STAYS_NS
            return reject
        if not fresh or now_ns < self._held_until_ns:
            return None
        return fresh[-1]


class Pictures:
    """Takes shots, and keeps the last few for the browsers that ask for them a moment later."""

    def __init__(self, rings: Sequence[FrameRing], recipe: Recipe, cameras: Sequence[Camera]) -> None:
        self._rings = rings
        self._cameras = cameras
        self._shots: OrderedDict[int, Shot] = OrderedDict()
        self._log = logger()
        self.use(recipe)

    def use(self, recipe: Recipe) -> None:
        """Another recipe, with other golden templates."""
        self._views = views_of(recipe, self._cameras)
        self._templates: dict[tuple[int, int], tuple[Image | None, str]] = {}

    def take(self, part: Outcome) -> Shot:
        """A shot of `part`; without a picture where its frame has left the ring, or never was."""
        shot = Shot(part)
        if part.ready_ns and part.sequence and part.camera < len(self._rings):
            self._copy(shot, self._rings[part.camera])
        if shot.frame is not None and shot.template is None:
            shot.template, shot.template_key = self._golden(part.camera, part.fov)
        self._shots[part.part] = shot
        while len(self._shots) > _KEPT:
            self._shots.popitem(last=False)
        return shot

    def shot(self, part: int) -> Shot | None:
        """The shot of part number `part`, while it is kept."""
        return self._shots.get(part)

    def _copy(self, shot: Shot, ring: FrameRing) -> None:
        sequence = ring.find(shot.part.ready_ns)
        if not sequence:
            return
        try:
            image, template = ring.frame(sequence)
            height_px, width_px = image.shape[:2]
            frame = shrink(image, LARGE_PX)
            golden = None if template is None else shrink(template, LARGE_PX)
            ring.check(sequence)
        except FrameOverrunError:
            return
        shot.frame, shot.template, shot.width_px, shot.height_px = frame, golden, width_px, height_px
        if golden is not None:
            # Browsers keep a template by its key: the same one is sent once.
            shot.template_key = f"{zlib.crc32(golden.tobytes()):08x}"

    def _golden(self, camera: int, fov: int) -> tuple[Image | None, str]:
        picture = camera, fov
        if picture not in self._templates:
            image = None
            recipe = recipe_for(self._views, camera, fov)
            template = None if recipe is None else next((one for one in recipe.templates if one.fov == fov), None)
            if recipe is not None and template is not None:
                try:
                    image = shrink(read_picture(template.image, recipe.channels, bits=template.bits), LARGE_PX)
                except AoiError as error:
                    self._log.warning("template_not_shown", error=str(error))
            key = "" if image is None else f"{zlib.crc32(image.tobytes()):08x}"
            self._templates[picture] = (image, key)
        return self._templates[picture]


def recorded_jpeg(folder: Path, file: str, px: int) -> bytes:
    """The picture `file` of the records `folder` as JPEG, no side over `px`. Raises AoiError."""
    path = (folder / file).resolve()
    # The database says where: one that was tampered with must not lead out of the folder.
    if not path.is_relative_to(folder.resolve()):
        raise AoiError(f"{file} is not in the records folder")
    return to_jpeg(read_picture(path, 3), px)
