"""The simulated PLC's options."""

from dataclasses import fields

import pytest

from aoi_daemon.config.schema import LineSection, PlcSection
from aoi_daemon.kit.simulator.options import Options
from aoi_daemon.plcmap.program import as_structured_text


def test_it_is_as_patient_as_the_program_that_is_handed_out():
    program = as_structured_text(PlcSection(), LineSection())
    assert f"PATIENCE := T#{Options().heartbeat_timeout_ms:g}ms" in program


def test_the_defaults_are_in_bounds_and_every_option_has_a_meaning():
    assert all(option.metadata["meaning"] for option in fields(Options()))


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", -1), ("port", 65_536), ("scan_ms", 0.5), ("scan_ms", 1001), ("deadline_ms", 0), ("coil_base", 65_521), ("keep", 0)],
)  # fmt: skip
def test_a_value_out_of_bounds_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"--{name.replace('_', '-')} is {value}"):
        Options(**{name: value})


@pytest.mark.parametrize(("register_base", "poll_base"), [(0, 0), (0, 15), (8, 1), (7, 0)])
def test_register_blocks_that_overlap_are_refused(register_base, poll_base):
    with pytest.raises(ValueError, match="overlap"):
        Options(register_base=register_base, poll_base=poll_base)


@pytest.mark.parametrize(("register_base", "poll_base"), [(0, 16), (8, 0), (65_000, 100)])
def test_register_blocks_side_by_side_are_fine(register_base, poll_base):
    Options(register_base=register_base, poll_base=poll_base)
