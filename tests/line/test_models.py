"""Models of others on a line: what they say in another layout, or say often, passes no part."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from aoi_daemon.config.recipe import Manifest, Model
from aoi_daemon.kit.line.daemon import wait_for
from aoi_daemon.messages import Reason
from tests.unit.infer.made_models import fixed

SIDE = 320
"""Width and height of the boards, px."""
PADS, DUPLICATES = 34, 15
TOLERANT = {"limits": [{"name": "pad", "max_count": PADS}, {"name": "crack"}]}


def heads(*, crack: bool) -> np.ndarray:
    """34 pads, each seen 15 times and more certain than the crack, which is seen once."""
    table = np.full((6, 2100), 0.001, np.float32)
    table[:4] = np.random.default_rng(0).uniform(20, 200, (4, 2100))
    rng = np.random.default_rng(1)
    for i in range(PADS * DUPLICATES):
        pad = i // DUPLICATES
        table[:, i] = 30 + 45 * (pad % 6), 30 + 45 * (pad // 6), 24, 18, 0.8, 0
        table[:4, i] += rng.uniform(-1, 1, 4)
    if crack:
        table[:, 2000] = 200, 300, 30, 10, 0, 0.55
    return table[None]


def bundle_of(folder: Path, answer: np.ndarray) -> Path:
    """A bundle of a detector that answers so to each frame, without golden parts."""
    folder.mkdir()
    file = fixed(folder / "heads.onnx", {"heads": answer}, size=(SIDE, SIDE))
    manifest = Manifest(
        name="heads", task="yolo", classes=("pad", "crack"), has_template=False,
        models={"fp32": Model(file=file.name, sha256=hashlib.sha256(file.read_bytes()).hexdigest())},
    )  # fmt: skip
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return folder


@pytest.mark.parametrize("crack", [False, True], ids=["pads alone", "and a crack"])
def test_a_crack_among_34_tolerated_pads_is_rejected_and_pads_alone_pass(line, tmp_path, crack):
    """510 candidates are better than the crack."""
    running = line(use_bundle=bundle_of(tmp_path / "b", heads(crack=crack)), recipe=TOLERANT)
    running.wait_parts(5)
    found = running.outcomes()[-3:]
    if crack:
        assert {(outcome.passed, outcome.reason, outcome.worst_class) for outcome in found} == {(False, Reason.DEFECT, 1)}
        assert not any(outcome.passed for outcome in running.outcomes())
    else:
        assert {outcome.passed for outcome in found} == {True}
    running.no_unproven_pass()


@pytest.mark.long
def test_a_model_whose_boxes_are_shares_of_the_frame_never_gets_ready(line, tmp_path):
    """With a region and a least size, every part passed. The log says what is wrong."""
    answer = heads(crack=True)
    answer[0, :4] /= SIDE
    limits = [{"name": "*", "min_width": 5.0}]
    running = line(use_bundle=bundle_of(tmp_path / "b", answer), recipe={"limits": limits}, ready=False)
    wait_for(lambda: "RESTART_BUDGET" in {alarm["name"] for alarm in running.daemon.status()["alarms"]}, 60, "the line to fault")
    assert "boxes seem normalised 0..1" in running.daemon.log(500)
    assert not any(outcome.passed for outcome in running.outcomes())
    running.no_unproven_pass()
