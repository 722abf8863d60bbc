"""A writer that is killed between any two of its stores leaves nothing that a reader, or its successor, takes for whole."""

import mmap
import struct
import subprocess
import sys

import pytest

from aoi_daemon.errors import FrameOverrunError
from aoi_daemon.ring import frames as frames_module
from aoi_daemon.ring.frames import FrameRing, RingLayout
from aoi_daemon.ring.journal import JournalLayout, JournalReader, JournalWriter
from aoi_daemon.ring.memory import SharedMemory

FRAMES = RingLayout(slots=2, max_width_px=8, max_height_px=8, channels=1)
JOURNAL = JournalLayout(records=3, body_bytes=24)


class Killed(BaseException):
    """SIGKILL, as the test sees it."""


class Stores:
    """Lets `left` stores through, then the writer is dead."""

    def __init__(self, left: int) -> None:
        self.left = left

    def one(self) -> None:
        if self.left == 0:
            raise Killed
        self.left -= 1


class Cells:
    """Cells of 8 bytes, each written at once, of a writer that may be killed."""

    def __init__(self, cells: memoryview, stores: Stores) -> None:
        self.cells, self.stores = cells, stores

    def __getitem__(self, index: int) -> int:
        return self.cells[index]

    def __setitem__(self, index: int, value: int) -> None:
        self.stores.one()
        self.cells[index] = value


class Bytes:
    """Memory that is written byte by byte, in an order that nobody promises, by a writer that may be killed."""

    def __init__(self, memory: mmap.mmap, stores: Stores, *, backwards: bool) -> None:
        self.memory, self.stores, self.backwards = memory, stores, backwards

    def __setitem__(self, where: slice, data: bytes) -> None:
        order = range(len(data))
        for index in reversed(order) if self.backwards else order:
            self.stores.one()
            self.memory[where.start + index] = data[index]


class Packs:
    """A struct that packs into memory byte by byte, as CPython's does."""

    def __init__(self, layout: struct.Struct, stores: Stores) -> None:
        self.layout, self.stores = layout, stores
        self.size, self.unpack_from = layout.size, layout.unpack_from

    def pack_into(self, memory: mmap.mmap, at: int, *values: int) -> None:
        Bytes(memory, self.stores, backwards=False)[at : at + self.size] = self.layout.pack(*values)


def publish(ring: FrameRing, sequence: int, ready_ns: int, side_px: int) -> None:
    ring.begin(sequence)
    ring.publish(sequence, (side_px, side_px, 1), fov=sequence, trigger_ns=0, ready_ns=ready_ns, has_template=False)


def test_a_frame_is_there_once_all_of_its_header_is(monkeypatch):
    """Frame 3 takes the slot of frame 1; at no store between the two is there a frame 3 of another's size or time."""
    for left in range(200):
        with SharedMemory.create("killed", FRAMES.size_bytes) as memory:
            writer, reader = FrameRing(memory, FRAMES), FrameRing(memory, FRAMES)
            publish(writer, 1, 111, 8)
            stores = Stores(left)
            writer._cells = Cells(writer._cells, stores)
            with monkeypatch.context() as patch:
                for name in ("HEADER", "_CONTENT"):
                    patch.setattr(frames_module, name, Packs(getattr(frames_module, name), stores))
                try:
                    publish(writer, 3, 333, 4)
                except Killed:
                    done = False
                else:
                    done = True
            try:
                image, _ = reader.frame(3)
                stamps = reader.stamps(3)
                reader.check(3)
            except FrameOverrunError:
                assert not done
                continue
            assert (image.shape, stamps) == ((4, 4, 1), (0, 333, 3)), left
            if done:
                return
    pytest.fail("it was never done")


def body(text: str) -> bytes:
    return text.encode().ljust(JOURNAL.body_bytes, b".")


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("before", [0, 2, 255, 256, 511])
def test_what_was_prepared_survives_a_kill_at_any_store(before, backwards):
    """The verdict that the PLC may have seen is in the journal, as it was prepared or as it was appended."""
    appended = 0
    for left in range(1000):
        with SharedMemory.create("killed", JOURNAL.size_bytes) as memory:
            writer = JournalWriter(memory, JOURNAL)
            for number in range(1, before + 1):
                writer.prepare(body(f"sent {number}"))
                writer.append(body(f"done {number}"))
            reader = JournalReader(memory, JOURNAL)
            stores = Stores(left)
            writer._map = Bytes(memory.map, stores, backwards=backwards)
            writer._cells = Cells(writer._cells, stores)
            step = "preparing"
            try:
                writer.prepare(body("sent"))
                step = "on the wire"
                writer.append(body("done"))
                step = "done"
            except Killed:
                pass
            seen = [text for _, text in reader.read(9)]
            assert seen == ([body("done")] if step == "done" else []), (left, step)
            # A new reader finds the end where it is, whatever the cursor was in the middle of.
            assert JournalReader(memory, JOURNAL).next == before + 1 + (step == "done")
            successor = JournalWriter(memory, JOURNAL)
            if step == "on the wire":
                assert successor.recovered in (body("sent"), body("done")), left
                assert [text for _, text in reader.read(9)] == [successor.recovered]
                appended += successor.recovered == body("done")
            elif step == "preparing":  # nothing was sent yet
                assert successor.recovered in (None, body("sent")), left
            else:
                assert successor.recovered is None
                break
    assert step == "done"
    assert appended, "written completely, and killed before the cursor"


@pytest.mark.parametrize("page_bytes", [4096, 16_384, 65_536])
def test_each_plane_begins_on_a_page_whatever_the_system_s_pages_are(page_bytes):
    layout = RingLayout(slots=3, max_width_px=100, max_height_px=50, channels=1, page_bytes=page_bytes)
    assert layout.plane_bytes == -(-5000 // page_bytes) * page_bytes
    with SharedMemory.create("pages", layout.size_bytes) as memory:
        ring = FrameRing(memory, layout)
        starts = [ring.planes(n)[k].ctypes.data for n in range(3) for k in range(2)]
        ends = max(starts) + layout.plane_bytes
    assert all((start - min(starts)) % page_bytes == 0 for start in starts)
    assert (ends - layout.size_bytes) % mmap.PAGESIZE == 0
    assert (layout.size_bytes - 6 * layout.plane_bytes) % page_bytes == 0


@pytest.mark.parametrize("page_bytes", [4096, 16_384, 65_536])
def test_pages_are_the_system_s(page_bytes):
    """Kernels for aarch64 have 16 or 64 KiB: a plane on half a page could not be registered with a GPU."""
    code = (
        f"import mmap; mmap.PAGESIZE = {page_bytes}\n"
        "from aoi_daemon.ring.frames import RingLayout\n"
        "print(RingLayout(3, 100, 50, 1).plane_bytes)"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert int(found.stdout) == -(-5000 // page_bytes) * page_bytes
