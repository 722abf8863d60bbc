"""What is done for each part leaves nothing behind, in the interpreter's free lists either.

A stage collects no garbage while parts pass, so nothing would empty those lists.
"""

import gc
import sys
from pathlib import Path

import numpy as np
import pytest

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.decide.judge import Criteria, judge
from aoi_daemon.infer.executor import Detections
from aoi_daemon.messages import MAX_DEFECTS, Defect, pack_defects, unpack_defects
from aoi_daemon.plcmap.registers import Poll, decode_poll, encode_poll

ROUNDS = 100
A_FEW = 40  # what differs from one moment to the next, however many rounds there are


@pytest.fixture
def no_collection():
    """As in a stage that runs."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def blocks_left_by(work) -> int:
    """Allocated blocks after ROUNDS more calls of `work`."""
    for _ in range(ROUNDS):
        work()
    before = sys.getallocatedblocks()
    for _ in range(ROUNDS):
        work()
    return sys.getallocatedblocks() - before


def test_defects_that_are_read_leave_nothing_behind(no_collection):
    blobs = [pack_defects((Defect(1, 0.5, 1, 2, 3, 4),) * count) for count in range(MAX_DEFECTS + 1)]

    def work() -> None:
        for count, blob in enumerate(blobs):
            unpack_defects(blob, count)

    assert blocks_left_by(work) < A_FEW


def test_a_judgement_leaves_nothing_behind(no_collection):
    recipe = Recipe(id=1, name="r", bundle=Path("b"), width_px=640, height_px=480)
    criteria = Criteria.compile(recipe, ("open", "short"))
    corners = 30 * np.arange(MAX_DEFECTS + 1, dtype=np.float32)[:, None]
    boxes = np.hstack([corners, corners, corners + 10, corners + 10]) % 470
    found = [
        Detections(boxes[:count], np.full(count, 0.9, np.float32), np.zeros(count, np.int32))
        for count in range(MAX_DEFECTS + 1)
    ]

    def work() -> None:
        for detections in found:
            judge(detections, criteria, 0, slack_ns=1)

    assert blocks_left_by(work) < A_FEW


def test_a_poll_of_the_plc_leaves_nothing_behind(no_collection):
    words = encode_poll(Poll(trigger_id=70_000, acted_on=3))
    assert blocks_left_by(lambda: decode_poll(words)) < A_FEW
