"""The simulation as CI runs it: a fixed range of seeds, sized by parts and not by time; and what its own tricks rest on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from aoi_daemon.kit.simulator.structured_text import Text
from tools.simulation.__main__ import main
from tools.simulation.faults import Kind
from tools.simulation.plan import plan_of
from tools.simulation.report import Total
from tools.simulation.run import Run
from tools.simulation.shrink import shrunk, told

SEEDS = 50
"""CI runs 500 besides, by the tool."""
CHUNKS = 10
PARTS = 200


@pytest.mark.timeout(900)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_invariant_holds_in_every_run(chunk):
    total, size = Total(), SEEDS // CHUNKS
    for seed in range(1 + chunk * size, 1 + (chunk + 1) * size):
        outcome = Run(plan_of(seed, PARTS)).go()
        total.add(outcome)
        assert not outcome.broken, "\n".join(told(shrunk(outcome)))
    assert total.parts >= size * PARTS
    assert total.let_go > 0.6 * total.good, "a line that ejects everything breaks nothing"


@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.value)
def test_every_kind_of_fault_strikes(kind):
    """One that never does proves nothing."""
    for seed in range(1, 40):
        plan = plan_of(seed, 60, kind)
        outcome = Run(plan).go()
        assert not outcome.broken, "\n".join(told(shrunk(outcome)))
        if outcome.struck[kind.value]:
            return
    raise AssertionError("it never strikes")


@pytest.mark.parametrize("seed", range(1, 13))
def test_the_scans_that_are_left_out_change_nothing(seed):
    plan = plan_of(seed, 40)
    few, every = Run(plan), Run(plan, every_scan=True)
    few.go(), every.go()
    assert {n: part.ejected for n, part in few._parts.items()} == {n: part.ejected for n, part in every._parts.items()}
    assert few.witness.let_go == every.witness.let_go


def test_a_seed_is_a_run():
    first, second = (Run(plan_of(77, 60), trace=True).go() for _ in range(2))
    assert first.trace == second.trace


def test_a_run_that_breaks_is_made_smaller_and_told_in_forty_lines(monkeypatch, capsys):
    from aoi_daemon.plc.readiness import Readiness

    monkeypatch.setattr(Readiness, "all_move", lambda self, now_ns: True)
    seed = next(seed for seed in range(1, 60) if Run(plan_of(seed, 100)).go().broken)
    assert main(["--trace", str(seed), "--parts", "100"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert 5 < len(lines) <= 40
    assert "invariant heartbeat" in lines[0]
    assert [line for line in lines if line.startswith("  fault:")] == [line for line in lines if " hangs at " in line][:1]


def test_a_branch_that_is_never_taken_is_told():
    text = Text("FUNCTION_BLOCK A VAR X : BOOL; Y : UINT; END_VAR IF X THEN Y := 1; ELSE Y := 2; END_IF; END_FUNCTION_BLOCK")
    text.met[:] = [5, 0, 5]
    total = Total()
    total.branches(text)
    assert total.taken == {"A: IF X": 0, "A: IF X: ELSE": 5}
    assert "A: IF X" in total.unmet()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--seeds", "x"], "is no A:B"), (["--seeds", "5:1"], "no less than A"), (["--seeds", "1:2", "--parts", "0"], "at least 1"),
        ([], "give --seeds"), (["--seeds", "1:2", "--only", "rain"], "there is no 'rain'"),
    ],
)  # fmt: skip
def test_what_is_asked_wrongly_is_refused(arguments, says, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_the_tool_runs():
    root = Path(__file__).parents[2]
    found = subprocess.run(
        [sys.executable, "-m", "tools.simulation", "--seeds", "1:2", "--parts", "30"], cwd=root, capture_output=True, text=True, timeout=100, check=False
    )
    assert found.returncode == 0, found
    assert "broken: none" in found.stdout
