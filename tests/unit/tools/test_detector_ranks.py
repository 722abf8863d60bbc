"""Several processes that train one detector, as `torchrun` starts them; on the CPU, two of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("matplotlib")
pytest.importorskip("rich")

from aoi_daemon.kit.boards.generate import write_boards  # noqa: E402  # after the skips
from aoi_daemon.kit.boards.labels import BoardsError  # noqa: E402
from aoi_daemon.kit.boards.options import BoardOptions, Style  # noqa: E402
from tools.detector.ranks import Ranks, ranks  # noqa: E402

ROOT = Path(__file__).parents[3]
TOGETHER = """
import hashlib, json, sys
from pathlib import Path
import torch
from aoi_daemon.kit.boards.labels import read_pairs
from tools.detector.data import load_tiles
from tools.detector.plan import Plan
from tools.detector.pool import Pool
from tools.detector.ranks import ranks
from tools.detector.train import Trainer

torch.set_num_threads(1)
with ranks("cpu") as mine:
    drawn = []
    pool = Pool(load_tiles(read_pairs(Path(sys.argv[1])), 1), 0, mine.device)
    draw = pool.draw
    def noted(rng, count, share):
        batch = draw(rng, count, share)
        drawn.append([count, hashlib.sha256(batch.images.numpy().tobytes()).hexdigest()])
        return batch
    pool.draw = noted
    trainer = Trainer(Plan(minutes=0, steps=3, batch=4, crop_px=128), Path(sys.argv[2]), pool, ranks=mine)
    trainer.run(lambda _: 0.0, lambda _: None)
    weights = b"".join(p.detach().numpy().tobytes() for p in trainer.detector.parameters())
    said = {"drawn": drawn, "weights": hashlib.sha256(weights).hexdigest(), "agreed": mine.agreed(7.0 + mine.rank)}
    Path(sys.argv[2], f"rank{mine.rank}.json").write_text(json.dumps(said))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight small boards."""
    path = tmp_path_factory.mktemp("boards") / "b"
    write_boards(path, 8, 1, BoardOptions(192, 192, style=Style.BINARY, good_fraction=0.0))
    return path


def launched(*arguments):
    """Two processes of this machine by torchrun; returns what they said."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        *map(str, arguments),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110)


def test_one_process_is_as_it_was(monkeypatch):
    """No group, no wrapper, the seeds of before."""
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with ranks("cpu") as mine:
        assert (mine.is_first, mine.count, mine.device) == (True, 1, torch.device("cpu"))
        assert not torch.distributed.is_initialized()
        network = torch.nn.Linear(1, 1)
        assert mine.joined(network) is network
        assert (mine.seeds(3, 4), mine.agreed(2.5), mine.share_of(7)) == ([3, 4], 2.5, 7)


def test_a_batch_that_cannot_be_dealt_is_refused():
    """Not rounded to another."""
    assert Ranks(1, 2, None).share_of(8) == 4
    with pytest.raises(BoardsError, match="batch: 7 boards cannot be dealt to 2 processes"):
        Ranks(1, 2, None).share_of(7)


@pytest.mark.long
def test_two_processes_draw_their_own_boards_and_end_with_the_same_weights(folder, tmp_path):
    """Half of each batch each, gradients of both, and the first one's clock."""
    script = tmp_path / "together.py"
    script.write_text(TOGETHER)
    done = launched(script, folder, tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1))
    assert [count for count, _ in first["drawn"] + second["drawn"]] == [2] * 6
    assert not {digest for _, digest in first["drawn"]} & {digest for _, digest in second["drawn"]}
    assert first["weights"] == second["weights"]
    assert first["agreed"] == second["agreed"] == 7.0


@pytest.mark.long
def test_a_run_of_two_processes_leaves_what_one_leaves(folder, tmp_path):
    """The same files, written once."""
    out = tmp_path / "run"
    arguments = [
        "--boards",
        folder,
        "--holdout",
        "0.25",
        "--out",
        out,
        "--device",
        "cpu",
        "--jobs",
        "1",
        "--crop",
        "128",
    ]
    done = launched("-m", "tools.detector", *arguments, "--batch", "4", "--epochs", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("training on") == 1
    names = {"best.pt", "last.pt", "model.onnx", "metrics.json", "pr_curves.png", "examples.png"}
    assert {path.name for path in out.iterdir()} == names
    metrics = json.loads((out / "metrics.json").read_text())
    assert (metrics["training"]["processes"], metrics["training"]["steps"]) == (2, 2)


@pytest.mark.long
def test_a_wrong_question_is_answered_once(tmp_path):
    """Not by each process."""
    done = launched("-m", "tools.detector", "--boards", tmp_path / "none", "--out", tmp_path / "run", "--device", "cpu")
    assert done.returncode != 0
    assert done.stderr.count("train_detector: ") == 1
    assert "none: no such folder" in done.stderr
