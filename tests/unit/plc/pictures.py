"""Which pictures a part has: one of each camera, as of a recipe without views, or those that a test names."""

from aoi_daemon.config.views import ANY_FOV, Expected, Viewed, expected_of
from aoi_daemon.messages import Announcement, Judgement, Reason
from aoi_daemon.plc.parts import Part


def of_each(cameras: int = 1) -> Expected:
    return expected_of([Viewed(f"c{camera}", camera, ANY_FOV, None) for camera in range(cameras)])


def named(*keys: tuple[int, int]) -> Expected:
    """Views by camera and field of view."""
    return expected_of([Viewed(f"c{camera}-{fov}", camera, fov, None) for camera, fov in keys])


def any_of(camera: int) -> tuple[int, int]:
    """How a picture of `camera` is kept where its field of view tells nothing."""
    return camera, ANY_FOV


def part_of(
    number: int, view: Announcement, deadline_ns: int, judgement: Judgement | None = None, reason: Reason | None = None,
    trigger_id: int = 0,
) -> Part:  # fmt: skip
    """A part of one view, which has come."""
    key = any_of(view.camera)
    judged = {} if judgement is None else {key: judgement}
    return Part(number, view, deadline_ns, of_each(), key, {key: view}, judged, reason, trigger_id=trigger_id)
