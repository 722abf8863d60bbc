"""The bound on how long a core takes to wake: asked for, held, given up, and what is said where it is refused."""

import os
import struct
from pathlib import Path

import pytest

from aoi_daemon.supervisor.awake import CpuLatency


@pytest.fixture
def kernel(tmp_path):
    """Stand-ins for the kernel's two files: one that takes the bound, one that names the driver."""
    device, driver = tmp_path / "cpu_dma_latency", tmp_path / "current_driver"
    device.touch()
    driver.write_text("haltpoll\n")
    return device, driver


def test_the_bound_is_written_as_the_kernel_reads_it(kernel):
    bound = CpuLatency(20, *kernel)
    assert kernel[0].read_bytes() == struct.pack("=i", 20)
    assert bound.refused == ""
    bound.close()
    bound.close()


def test_nothing_is_opened_that_was_not_asked_for(tmp_path):
    assert CpuLatency(None, tmp_path / "none", tmp_path / "none").refused == ""


def test_a_device_that_is_not_there_or_not_for_us_is_said_with_what_opens_it(kernel):
    kernel[0].unlink()
    assert "No such file or directory; DeviceAllow= in the unit" in CpuLatency(0, *kernel).refused


@pytest.mark.parametrize("driver", ["none\n", "", None])
def test_a_kernel_that_lets_cores_sleep_as_it_likes_is_said(kernel, driver):
    kernel[1].unlink() if driver is None else kernel[1].write_text(driver)
    assert "idle=poll" in CpuLatency(0, *kernel).refused


def test_the_real_kernel_holds_it_until_it_is_closed():
    device = Path("/dev/cpu_dma_latency")
    if not os.access(device, os.R_OK | os.W_OK):
        pytest.skip(f"{device} is not for this user")
    before = device.read_bytes()
    bound = CpuLatency(0)
    held = device.read_bytes()
    bound.close()
    assert struct.unpack("=i", held) == (0,)
    assert device.read_bytes() == before
