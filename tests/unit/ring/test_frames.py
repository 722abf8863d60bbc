"""The frame ring hands frames over whole, or says that it cannot."""

import mmap
import os
import subprocess
import sys

import numpy as np
import pytest

from aoi_daemon.errors import FrameOverrunError, RingError
from aoi_daemon.ring.frames import FrameRing, RingLayout
from aoi_daemon.ring.memory import SharedMemory

LAYOUT = RingLayout(slots=4, max_width_px=40, max_height_px=30, channels=1)


@pytest.fixture
def memory():
    with SharedMemory.create("test", LAYOUT.size_bytes) as memory:
        yield memory


def put(ring: FrameRing, sequence: int, value: int, *, template: int | None = None, shape=(30, 40, 1)) -> None:
    ring.begin(sequence)
    image, plane = ring.planes(sequence)
    image[: shape[0] * shape[1]] = value
    if template is not None:
        plane[:] = template
    ring.publish(
        sequence, shape, fov=0, trigger_ns=1, ready_ns=2, has_template=template is not None
    )


def test_a_frame_is_read_where_it_was_written(memory):
    writer, reader = FrameRing(memory, LAYOUT), FrameRing(memory, LAYOUT)
    put(writer, 1, 7, template=9)
    image, template = reader.frame(1)
    assert image.shape == (30, 40, 1)
    assert (image == 7).all()
    assert template is not None and (template == 9).all()


def test_a_smaller_frame_has_its_own_shape(memory):
    ring = FrameRing(memory, LAYOUT)
    put(ring, 1, 5, shape=(10, 20, 1))
    image, template = ring.frame(1)
    assert image.shape == (10, 20, 1)
    assert template is None


def test_a_reader_that_was_lapped_is_told(memory):
    ring = FrameRing(memory, LAYOUT)
    put(ring, 1, 1)
    image, _ = ring.frame(1)
    put(ring, 1 + LAYOUT.slots, 2)
    with pytest.raises(FrameOverrunError, match="frame 1 was overwritten by frame 5"):
        ring.check(1)
    assert image[0, 0, 0] == 2  # which is what the check is for


def test_a_frame_being_written_is_not_there(memory):
    ring = FrameRing(memory, LAYOUT)
    put(ring, 1, 1)
    ring.begin(1 + LAYOUT.slots)
    with pytest.raises(FrameOverrunError):
        ring.frame(1)


def test_a_frame_that_never_came_is_not_there(memory):
    with pytest.raises(FrameOverrunError):
        FrameRing(memory, LAYOUT).frame(3)


def test_a_frame_is_found_by_the_time_at_which_it_was_ready(memory):
    ring = FrameRing(memory, LAYOUT)
    for sequence in range(3, 7):
        ring.begin(sequence)
        ring.publish(sequence, (30, 40, 1), fov=0, trigger_ns=7, ready_ns=100 + sequence, has_template=False)
    assert [ring.find(100 + sequence) for sequence in range(2, 8)] == [0, 3, 4, 5, 6, 0]
    ring.begin(8)
    assert ring.find(104) == 0, "it is being written over"


def test_a_frame_has_the_stamps_and_the_size_that_it_was_published_with(memory):
    ring = FrameRing(memory, LAYOUT)
    ring.begin(2)
    ring.planes(2)[0][:] = np.arange(LAYOUT.plane_bytes) % 251
    ring.publish(2, (10, 20, 3), fov=5, trigger_ns=-7, ready_ns=2**62, has_template=False)
    assert ring.stamps(2) == (-7, 2**62, 5)
    assert np.array_equal(ring.frame(2)[0], (np.arange(600) % 251).reshape(10, 20, 3))
    assert [ring.occupant(sequence) for sequence in range(4)] == [0, 0, 2, 0]


def test_a_size_that_a_writer_tore_is_an_overrun_and_no_picture_of_other_memory(memory):
    """The header says more pixels than a plane has."""
    ring = FrameRing(memory, LAYOUT)
    fits = LAYOUT.plane_bytes // 8
    ring.publish(1, (8, fits, 1), fov=0, trigger_ns=0, ready_ns=0, has_template=False)
    assert ring.frame(1)[0].shape == (8, fits, 1)
    ring.publish(1, (8, fits + 1, 1), fov=0, trigger_ns=0, ready_ns=0, has_template=False)
    with pytest.raises(FrameOverrunError):
        ring.frame(1)


@pytest.mark.parametrize(("slots", "pages"), [(1, 1), (85, 1), (86, 2), (256, 3)])
def test_headers_have_whole_pages_of_their_own(slots, pages):
    """48 bytes each."""
    layout = RingLayout(slots, 10, 10, 1, page_bytes=4096)
    assert layout.size_bytes == 4096 * (pages + 2 * slots)


@pytest.mark.parametrize(
    ("width", "height", "channels", "pages"),
    [(64, 64, 1, 1), (64, 65, 1, 2), (65, 64, 1, 2), (64, 64, 3, 3), (100, 50, 3, 4), (1, 1, 1, 1), (4096, 2, 2, 4)],
)
@pytest.mark.parametrize("slots", [1, 3])
def test_a_plane_holds_each_channel_of_each_pixel(slots, width, height, channels, pages):
    layout = RingLayout(slots, width, height, channels, page_bytes=4096)
    assert layout.plane_bytes == 4096 * pages
    assert layout.size_bytes == 4096 * (1 + 2 * slots * pages)


@pytest.mark.parametrize(("width", "height", "channels", "pages"), [(64, 64, 1, 1), (100, 50, 3, 4)])
def test_a_camera_that_brings_no_template_has_half_the_planes(width, height, channels, pages):
    layout = RingLayout(5, width, height, channels, page_bytes=4096, has_templates=False)
    assert layout.size_bytes == 4096 * (1 + 5 * pages)


def test_where_no_templates_are_kept_images_are_as_ever_and_no_header_brings_one():
    layout = RingLayout(4, 40, 30, 1, has_templates=False)
    with SharedMemory.create("frames", layout.size_bytes) as memory:
        ring = FrameRing(memory, layout)
        for sequence in range(4, 8):
            image, template = ring.planes(sequence)
            assert template.size == 0
            image[:] = sequence
            ring.publish(sequence, (30, 40, 1), fov=0, trigger_ns=1, ready_ns=2, has_template=False)
        assert [int(ring.frame(n)[0].min()) for n in range(4, 8)] == [int(ring.frame(n)[0].max()) for n in range(4, 8)] == [4, 5, 6, 7]
        ring.publish(7, (30, 40, 1), fov=0, trigger_ns=1, ready_ns=2, has_template=True)
        with pytest.raises(FrameOverrunError):
            ring.frame(7)
        del ring, image, template


def test_no_plane_lies_in_another_nor_over_a_header(memory):
    """Each byte of a plane is written, and all that was published stays as it was."""
    ring = FrameRing(memory, LAYOUT)
    for sequence in range(4, 8):
        put(ring, sequence, 0, template=0)
    for sequence in range(4, 8):
        for number, plane in enumerate(ring.planes(sequence)):
            plane[:] = 10 * sequence + number
    for sequence in range(4, 8):
        image, template = ring.frame(sequence)
        assert (image == 10 * sequence).all() and (template == 10 * sequence + 1).all()
        assert ring.stamps(sequence) == (1, 2, 0)


@pytest.mark.parametrize("taken", range(8, 12))
def test_a_slot_that_is_taken_loses_its_frame_and_no_other(memory, taken):
    ring = FrameRing(memory, LAYOUT)
    for sequence in range(4, 8):
        put(ring, sequence, sequence)
    ring.begin(taken)
    assert [ring.occupant(sequence) for sequence in range(4, 8)] == [0 if n + 4 == taken else n for n in range(4, 8)]
    put(ring, taken, 1)
    assert sorted(ring.occupant(slot) for slot in range(4)) == sorted({*range(4, 8), taken} - {taken - 4})


def test_planes_are_page_aligned(memory):
    """So that a GPU can register them."""
    ring = FrameRing(memory, LAYOUT)
    for sequence in range(LAYOUT.slots):
        for plane in ring.planes(sequence):
            assert plane.ctypes.data % mmap.PAGESIZE == 0


def test_memory_that_is_too_small_is_refused():
    with SharedMemory.create("small", 4096) as memory, pytest.raises(RingError, match="4096 bytes"):
        SharedMemory(os.dup(memory.fd), 8192)


def test_memory_cannot_be_written_through_a_read_only_descriptor():
    with SharedMemory.create("ro", 4096) as memory:
        fd = memory.read_only_fd()
        reader = SharedMemory(fd, 4096, read_only=True)
        with pytest.raises(TypeError):
            reader.map[0] = 1
        with pytest.raises(OSError):
            os.pwrite(fd, b"x", 0)
        reader.close()


def test_memory_of_a_killed_owner_is_gone():
    """There is no name that a crash could leave behind."""
    before = set(os.listdir("/dev/shm"))
    code = (
        "import os, signal; from aoi_daemon.ring.memory import SharedMemory;"
        "m = SharedMemory.create('x', 1 << 20); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert set(os.listdir("/dev/shm")) == before


def test_another_process_never_reads_a_torn_frame():
    """The check after the copy catches every frame that changed under it."""
    layout = RingLayout(slots=3, max_width_px=320, max_height_px=320, channels=1)
    with SharedMemory.create("torn", layout.size_bytes) as memory:
        code = f"""
import sys
from aoi_daemon.ring.frames import FrameRing, RingLayout
from aoi_daemon.ring.memory import SharedMemory
layout = RingLayout(3, 320, 320, 1)
ring = FrameRing(SharedMemory({memory.fd}, layout.size_bytes), layout)
for n in range(1, 4001):
    ring.begin(n)
    ring.planes(n)[0][:] = n % 251
    ring.publish(n, (320, 320, 1), fov=0, trigger_ns=0, ready_ns=0, has_template=False)
"""
        writer = subprocess.Popen([sys.executable, "-c", code], pass_fds=[memory.fd])
        ring = FrameRing(memory, layout)
        good = caught = 0
        newest = 1
        while writer.poll() is None:
            newest = max(newest, *(ring.occupant(slot) for slot in range(3)))
            try:
                copy = ring.frame(newest)[0].copy()
                ring.check(newest)
            except FrameOverrunError:
                caught += 1
                continue
            good += 1
            assert (copy == newest % 251).all()
        assert writer.wait(30) == 0
        assert good > 0
        assert np.array_equal(ring.frame(4000)[0], np.full((320, 320, 1), 4000 % 251))
