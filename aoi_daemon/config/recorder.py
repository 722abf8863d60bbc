"""`[recorder]`: what is kept of the parts, and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field, model_validator

from aoi_daemon.config.section import FilePath, Reload, Section


class RecorderSection(Section):
    """A row for each part; pictures of every reject and fault, and of some that passed."""

    reload: ClassVar[Reload] = Reload.OFF_PATH

    folder: FilePath = Field(
        Path("/var/lib/aoi-daemon/records"),
        description="Where the records are kept; a relative path is taken from this file's folder.",
    )
    passes_sampled_percent: float = Field(
        1.0, ge=0, le=100, description="Share of good parts whose picture is kept; which ones is left to chance."
    )
    around: int = Field(
        4, ge=0, le=64,
        description="Frames kept before and after a fault or an alarm, as a flight recorder does; 0: none.",
    )  # fmt: skip
    templates: bool = Field(True, description="Keep each golden template that a kept picture was compared with, once.")
    png_level: int = Field(1, ge=0, le=9, description="Compression of pictures: 0 none, 1 quick, 9 small.")
    days_images: int = Field(
        30, ge=1, le=36_500, description="Pictures are kept for so long; reviewed parts' for ever."
    )
    days_records: int = Field(90, ge=1, le=36_500, description="Rows are kept for so long; reviewed parts' for ever.")
    min_free_gb: float = Field(
        2.0, ge=0, le=1_000_000,
        description="With less room on the disk the oldest pictures go before their time, then rows older than a day.",
    )  # fmt: skip
    buffer_mb: int = Field(
        128, ge=1, le=65_536,
        description="Memory for pictures that wait for the disk; at least two frames for each camera.",
    )  # fmt: skip
    queue_parts: int = Field(
        20_000,
        ge=100,
        le=10_000_000,
        description="Rows that may wait for the disk, beside the 8192 of the verdict ring.",
    )
    slow_s: float = Field(
        2.0, ge=0.1, le=3600, description="A write that takes longer is a slow disk, and raises the alarm."
    )

    @model_validator(mode="after")
    def _rows_outlive_images(self) -> RecorderSection:
        if self.days_records < self.days_images:
            raise ValueError(
                f"recorder.days_records ({self.days_records}) must not be below recorder.days_images "
                f"({self.days_images}): a picture without its row says nothing"
            )
        return self

    def folder_in(self, config_folder: Path) -> Path:
        """The records folder; `config_folder` is where line.toml lies."""
        return config_folder / self.folder
