"""Two cameras, a view of each, with bundles and sizes of their own: a part passes when both do, and a reject names the view."""

import hashlib
import os
import signal
from itertools import pairwise

import cv2
import pytest

from aoi_daemon.engine.reference import make_reference_bundle
from aoi_daemon.kit.boards.generate import generate
from aoi_daemon.kit.boards.options import BoardOptions
from aoi_daemon.kit.line.daemon import wait_for
from aoi_daemon.messages import Reason
from aoi_daemon.stage.stage import now_ns
from tests.line.conftest import OPTIONS

SIDE = BoardOptions(width_px=256, height_px=192, good_fraction=1.0)
TOP_CAMERA, SIDE_CAMERA = 0, 1
TAKT_MS, DEADLINE_MS = 200.0, 60.0
HELD_UP_NS = 80_000_000
"""After a part's deadline, and within the half takt in which a replayed camera still takes it: see `TaktPace`."""


def pair(folder, name, image, template):
    folder.mkdir(exist_ok=True)
    for half, picture in (("test", image), ("temp", template)):
        cv2.imwrite(str(folder / f"{name}_{half}.png"), picture)


@pytest.fixture
def pictures(tmp_path):
    """What each camera sees: the top good boards; the side good ones, one of another size, and one of another board."""
    for number in range(3):
        board = generate(3, number, OPTIONS).template
        pair(tmp_path / "top", f"{number}", board, board)
    good = [generate(5, number, SIDE).template for number in range(3)]
    large = generate(5, 7, OPTIONS).template
    side = tmp_path / "side"
    for name, image, template in (
        ("0", good[0], good[0]), ("1", good[1], good[1]), ("2", large, large), ("3", good[1], good[2]), ("4", good[2], good[2]),
    ):  # fmt: skip
        pair(side, name, image, template)
    make_reference_bundle(tmp_path / "side-bundle", name="side")
    return tmp_path


def views(folder):
    return [
        {"name": "top", "camera": "top"},
        {"name": "flank", "camera": "side", "width_px": 256, "height_px": 192, "bundle": str(folder / "side-bundle")},
    ]


def test_each_view_is_judged_as_its_own_and_what_is_wrong_with_one_names_it(line, pictures):
    """A wrong size and another board's picture come by themselves. Then the side's pictures come late, not at all, and as the top's."""
    running = line(camera={"name": "top", "source": str(pictures / "top")}, ready=False, takt_ms=TAKT_MS, deadline_ms=DEADLINE_MS)
    daemon = running.daemon
    daemon.stop()
    second = {"name": "side", "kind": "replay", "source": str(pictures / "side"), "max_width_px": 320, "max_height_px": 320}
    daemon.line["cameras"].append(second)
    daemon.line["views_ms"] = 25.0
    daemon.line["plc"]["stall_ms"] = 3000.0  # a camera that is held up is one of which pictures are late, before it is one that hangs
    daemon.recipes["demo"]["views"] = views(pictures)
    daemon.write_config()
    daemon.restart()
    daemon.wait_ready()
    running.wait_ready()
    running.wait_parts(18)
    seen = [part for part in running.outcomes() if part.reason not in (Reason.NOT_READY, Reason.LATE, Reason.NO_IMAGE)]
    assert sum(part.passed for part in seen) > 4
    rejects = {(part.camera, part.reason) for part in seen if not part.passed}
    assert rejects == {(SIDE_CAMERA, Reason.NO_RECIPE), (SIDE_CAMERA, Reason.DEFECT)}, "swapped, and of another size"
    of_side = hashlib.sha256((pictures / "side-bundle" / "manifest.json").read_bytes()).hexdigest()[:16]
    assert {f"{part.bundle:016x}" for part in seen if part.camera == SIDE_CAMERA} == {of_side}, "by the bundle of its view"
    size = next(alarm for alarm in daemon.status()["alarms"] if alarm["name"] == "FRAME_SIZE")
    assert "view flank of recipe demo is 256 x 192" in size["detail"]
    a_view_that_is_late_rejects_its_part_and_begins_none(running)
    # The side's pictures stay out: each part is rejected for it, by its name, and an alarm says so.
    stage = running.stage("acquire-1")
    before = len(running.outcomes())
    os.kill(stage, signal.SIGSTOP)
    try:
        wait_for(lambda: len(running.outcomes()) >= before + 6, 5, "parts without a view")
    finally:
        os.kill(stage, signal.SIGCONT)
    missing = [part for part in running.outcomes()[before:] if part.reason == Reason.NO_IMAGE]
    assert len(missing) >= 4
    assert {(part.camera, part.sequence, part.passed) for part in missing} == {(SIDE_CAMERA, 0, False)}
    found = wait_for(lambda: next((a for a in daemon.status()["alarms"] if a["name"] == "VIEW_FAULT"), None), 5, "the alarm")
    assert found["detail"].startswith("view flank (camera side, fov 0): NO_IMAGE")
    since = len(running.outcomes())
    wait_for(lambda: sum(part.passed for part in running.outcomes()[since:]) >= 3, 10, "good parts to pass again")
    # The photo-eye is the top's; a record has the stamp of the view that decided.
    passed = [part.trigger_ns for part in running.outcomes() if part.passed]
    let_go = [part.trigger_ns for part in running.plc.parts() if not part.ejected]
    assert let_go and all(any(abs(at - stamp) < 25_000_000 for stamp in passed) for at in let_go)
    cameras_that_show_each_others_views_pass_nothing(running)
    assert running.plc.status()["counters"]["faults"] == 0


def a_view_that_is_late_rejects_its_part_and_begins_none(running):
    """The side's process is kept from a trigger until after the deadline: its picture is taken, and comes too late."""
    stage = running.stage("acquire-1")

    def hold_up():
        before, frames = running.outcomes()[-1], frames_of_side(running)
        due_ns = before.trigger_ns + int(TAKT_MS * 1e6)
        while due_ns - now_ns() < 20_000_000:  # of a part that comes soon; not of one that is there already
            due_ns += int(TAKT_MS * 1e6)
        wait_for(lambda: due_ns - now_ns() < 10_000_000, 2, "the part")
        os.kill(stage, signal.SIGSTOP)
        try:
            wait_for(lambda: now_ns() >= due_ns + HELD_UP_NS, 2, "its deadline")
        finally:
            os.kill(stage, signal.SIGCONT)
        wait_for(lambda: now_ns() >= due_ns + 2 * int(TAKT_MS * 1e6), 2, "the part after it")
        since = [part for part in running.outcomes() if part.trigger_ns > before.trigger_ns + 1_000_000]
        late = [part for part in since if part.reason == Reason.NO_IMAGE and part.sequence == 0]
        came = frames_of_side(running)
        # Held up for longer than meant, by a loaded machine, the part was missed: that is the case after this one.
        return (since, late) if late and came["missed"] == frames["missed"] else None

    since, late = wait_for(hold_up, 20, "a picture that is taken and comes too late")
    assert {(part.camera, part.passed) for part in late} == {(SIDE_CAMERA, False)}
    stamps = [part.trigger_ns for part in since]
    assert all(later - earlier > 0.7 * TAKT_MS * 1e6 for earlier, later in pairwise(stamps)), "the late one is no part of its own"


def frames_of_side(running):
    return next(camera for camera in running.daemon.status()["cameras"] if camera["name"] == "side")


def cameras_that_show_each_others_views_pass_nothing(running):
    """As two plugs that were exchanged: each camera is judged as its own view, which its picture does not fit."""
    top, side = running.daemon.line["cameras"]
    top["source"], side["source"] = side["source"], top["source"]
    running.daemon.write_config()
    assert running.daemon.ask("reload")["ok"]
    running.wait_ready()
    since = len(running.outcomes())
    wait_for(lambda: sum(part.reason == Reason.NO_RECIPE for part in running.outcomes()[since:]) >= 4, 10, "rejected parts")
    assert not any(part.passed for part in running.outcomes()[since:])
    assert {part.camera for part in running.outcomes()[since:] if part.reason == Reason.NO_RECIPE} <= {TOP_CAMERA, SIDE_CAMERA}
