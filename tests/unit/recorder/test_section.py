"""`[recorder]`: its bounds, worded for whoever wrote the file."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from aoi_daemon.config.recorder import RecorderSection
from aoi_daemon.config.section import Reload


def test_every_key_is_described_and_has_a_default():
    for name, key in RecorderSection.model_fields.items():
        assert key.description and key.description.endswith("."), name
    assert RecorderSection().folder == Path("/var/lib/aoi-daemon/records")
    assert RecorderSection.reload is Reload.OFF_PATH


@pytest.mark.parametrize(
    "wrong",
    [
        {"passes_sampled_percent": 100.5}, {"passes_sampled_percent": -1.0}, {"around": 65}, {"png_level": 10},
        {"days_images": 0}, {"min_free_gb": -1.0}, {"buffer_mb": 0}, {"queue_parts": 1}, {"slow_s": 0.0},
        {"days_images": 91}, {"folder": 7}, {"around": 1.5}, {"day_images": 3},
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused(wrong):
    with pytest.raises(ValidationError):
        RecorderSection(**wrong)


def test_rows_are_kept_at_least_as_long_as_pictures():
    with pytest.raises(ValidationError, match=r"days_records \(10\) must not be below recorder.days_images \(30\)"):
        RecorderSection(days_records=10)
    assert RecorderSection(days_records=30, days_images=30).days_records == 30


@pytest.mark.parametrize(("folder", "found"), [("records", "/etc/aoi/records"), ("/data", "/data")])
def test_a_relative_folder_lies_beside_line_toml(folder, found):
    assert RecorderSection(folder=folder).folder_in(Path("/etc/aoi")) == Path(found)
