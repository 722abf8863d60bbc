"""`tools/no_slower` with a run that is made up: exit codes, order, what it prints and writes, what it leaves behind."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tools.slower.__main__ import arguments, main
from tools.slower.ratios import Run
from tools.slower.run import RunError

ROOT = Path(__file__).resolve().parents[4]
BASE = Run(path_ms=1.0, line_ms=2.0, plc_cpu_us=500.0, inspection_cpu_us=1000.0, misses=0, unexplained=0, parts=500)


@pytest.fixture(autouse=True)
def signals():
    """As they were before the command took them."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Bench:
    """Stands for the runs: the other tree is BASE, this one what the test says."""

    def __init__(self, repository, **here):
        self.root, self.here, self.order = repository.folder, BASE._replace(**here), []

    def __call__(self, tree, progress):
        mine = tree.folder == self.root
        self.order.append("after" if mine else "before")
        assert (tree.folder / "tools/line/bench.py").is_file()
        progress(500)
        return self.here if mine else BASE


@pytest.mark.parametrize(
    ("here", "code", "said"),
    [
        ({}, 0, "not slower"),
        ({"path_ms": 0.8, "plc_cpu_us": 400.0}, 0, "not slower"),
        ({"line_ms": 3.0}, 0, "not slower"),
        ({"misses": 2}, 0, "not slower"),
        ({"path_ms": 1.1}, 1, "SLOWER: queue + decide + handover + plc is 1.100 times what it was, more than 1.05"),
        ({"plc_cpu_us": 530.0}, 1, "SLOWER: CPU time of plc for a part is 1.060"),
        ({"inspection_cpu_us": 1100.0}, 1, "SLOWER: CPU time of inspection for a part is 1.100"),
        ({"misses": 1, "unexplained": 1}, 1, "SLOWER: deadlines were missed 10 times while"),
    ],
)
def test_the_exit_code_says_whether_the_rule_holds(repository, capsys, here, code, said):
    assert main(["HEAD~1"], root=repository.folder, measure=Bench(repository, **here)) == code
    out = capsys.readouterr()
    assert said in out.out
    assert "95 % interval" in out.out
    assert "pair 10 of 10" in out.err and "the first line" in out.err and "the second line" in out.err
    assert repository.worktrees() == 1


def test_the_two_take_turns_in_going_first(repository):
    bench = Bench(repository)
    main(["HEAD", "--pairs", "12"], root=repository.folder, measure=bench)
    assert bench.order == ["before", "after", "after", "before"] * 6


def test_everything_is_in_the_file(repository, tmp_path):
    file = tmp_path / "slower.json"
    words = ["HEAD", "--json", str(file), "--registers", "--seed", "7"]
    assert main(words, root=repository.folder, measure=Bench(repository, path_ms=1.2)) == 1
    found = json.loads(file.read_text())
    assert len(found["pairs"]) == 10 and found["pairs"][1]["first"] == "after"
    assert found["pairs"][0]["after"]["path_ms"] == 1.2
    assert [figure["broken"] for figure in found["figures"]] == [True, False, False, False]
    assert (found["registers"], found["seed"], found["limit"]) == (True, 7, 1.05)
    assert len(found["broken"]) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "nowhere: no such revision"),
        (["early"], "early has no"),
        (["HEAD", "--folder", "{root}"], "is not empty"),
    ],
)
def test_a_revision_that_cannot_be_had_is_one_line_and_exit_2(repository, capsys, words, said):
    words = [word.format(root=repository.folder) for word in words]
    assert main(words, root=repository.folder, measure=Bench(repository)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("no_slower: ") and said in line
    assert repository.worktrees() == 1


def test_outside_a_checkout_it_is_exit_2(tmp_path, capsys):
    assert main(["HEAD"], root=tmp_path) == 2
    assert "is not a git checkout" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        [], ["HEAD", "--pairs", "9"], ["HEAD", "--parts", "499"], ["HEAD", "--takt-ms", "4"], ["HEAD", "--seed", "-1"],
        ["HEAD", "--json", "/nowhere/slower.json"], ["HEAD", "--pairs", "ten"],
    ],
)  # fmt: skip
def test_fewer_than_the_rule_asks_for_is_refused(words):
    with pytest.raises(SystemExit) as ended:
        arguments(words)
    assert ended.value.code == 2


def test_help_has_examples_and_exit_codes(capsys):
    with pytest.raises(SystemExit) as ended:
        arguments(["--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert "./tools/no_slower HEAD~1" in told and "exit codes:" in told


@pytest.mark.parametrize(("error", "code"), [(RunError("the line has stopped"), 2), (KeyboardInterrupt(), 130)])
def test_a_run_that_ends_early_leaves_no_tree_behind(repository, capsys, error, code):
    def measure(_tree, _progress):
        assert repository.worktrees() == 2
        raise error

    assert main(["HEAD"], root=repository.folder, measure=measure) == code
    assert repository.worktrees() == 1


_HANGS = """
import signal, sys, time
from pathlib import Path
from tools.slower.__main__ import main

def measure(tree, progress):
    print(tree.folder.parent, flush=True)
    time.sleep(60)

signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell starts what runs in the background
sys.exit(main(["HEAD"], root=Path(sys.argv[1]), measure=measure))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_removes_the_other_tree(repository, number):
    with subprocess.Popen(
        [sys.executable, "-c", _HANGS, str(repository.folder)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        other = Path(process.stdout.readline().strip())
        assert (other / "tree" / "pyproject.toml").is_file()
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert not other.exists()
    assert repository.worktrees() == 1
