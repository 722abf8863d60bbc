"""`[recorder]`: what is kept of the parts."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from aoi_daemon.config.section import FilePath, Reload, Section


class RecorderSection(Section):
    """The recorder: a row for each part, and pictures."""

    reload: ClassVar[Reload] = Reload.BESIDE

    folder: FilePath = Field(Path("/var/lib/aoi-daemon/records"), description="Where the records are kept.")
