"""What can be known of a replayed camera's source before the line starts: for `aoi-daemon check-config`.

Process: offline. Blocks: in the disk, and in the decoder of a video for its first frame. A picture that is damaged
is found when the camera is opened, which decodes them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aoi_daemon.acquire.images import list_stills
from aoi_daemon.acquire.video import has_a_frame
from aoi_daemon.config.cameras import CameraSection, ReplayCamera
from aoi_daemon.errors import CameraError


def source_problems(cameras: Sequence[CameraSection]) -> list[str]:
    """Each source that no part could come from: a folder without pictures, a file that is no video."""
    problems = []
    for index, camera in enumerate(cameras):
        if isinstance(camera, ReplayCamera):
            try:
                _check(camera.source)
            except CameraError as error:
                problems.append(f"cameras[{index}].source: {error}")
    return problems


def _check(source: Path) -> None:
    if source.is_dir():
        list_stills(source)
    elif not (source.is_file() and has_a_frame(source)):
        raise CameraError(f"{source}: is no video that can be read; name a folder of pictures, or a video")
