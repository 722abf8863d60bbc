"""`tools/gpu/run_all.sh`: its steps, their order and limits; a script stands in for Python, so nothing is measured."""

import os
import subprocess
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[3] / "tools" / "gpu" / "run_all.sh"

PYTHON = r"""#!/usr/bin/env bash
echo "python $*"
case "$*" in
*build-engine*) [ -z "${BROKEN:-}" ] || exit 1; mkdir -p "$5/engines" && touch "$5/engines/x.plan" ;;
*kill_inspection*) exit 1 ;;
*"--takt-ms 5 "*) trap 'echo stopped in order; exit 130' INT; for _ in $(seq 200); do sleep 0.05; done ;;
esac
"""


@pytest.fixture
def run(tmp_path):
    """run_all.sh into tmp_path/out with these steps; environment by keyword."""
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "manifest.json").write_text("{}")

    def run(*words, **variables):
        environment = {**os.environ, "PYTHON": str(python), "BUNDLE": "bundle", "LIMIT_S": "20", **variables}
        return subprocess.run(
            [PROGRAM, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def ended(folder):
    """Step and how it ended, of every line of the summary."""
    return [
        (line.split()[1], " ".join(line.split()[2:-2])) for line in (folder / "summary.txt").read_text().splitlines()
    ]


def test_engines_are_built_once_into_a_copy_and_the_steps_follow_in_the_order_named(run, tmp_path):
    """The bundle itself is left as it is. What each step was told to do lies beside the figures."""
    assert run("out", "line", "executor", "tests", PRECISION="fp32", WAIT="block").returncode == 0
    out = tmp_path / "out"
    assert ended(out) == [("build", "done"), ("line", "done"), ("executor", "done"), ("tests", "done")]
    assert (out / "bundle" / "engines" / "x.plan").exists() and not (tmp_path / "bundle" / "engines").exists()
    said = (out / "line.txt").read_text()
    assert f"--bundle {out}/bundle --backend tensorrt --precision fp32 --wait block --spin-us 1000 --settle-s 0 --memory --witness --parts 1200 --takt-ms 50" in said
    assert f"--report {out}/line.json" in said
    assert "tests/gpu" in (out / "tests.txt").read_text()
    assert "--precisions fp32" in (out / "executor.txt").read_text()


def test_a_step_that_fails_or_takes_too_long_does_not_keep_the_next_from_running(run, tmp_path):
    """SIGINT at the limit, so that a line is taken down in order; exit code 1 at the end."""
    found = run("out", "kill", "long", "tests", LIMIT_S="1")
    assert found.returncode == 1
    steps = ended(tmp_path / "out")
    assert steps == [
        ("build", "done"),
        ("kill", "FAILED: exit code 1"),
        ("long", "FAILED: too long"),
        ("tests", "done"),
    ]
    assert "stopped in order" in (tmp_path / "out" / "long.txt").read_text()


def test_without_engines_the_steps_that_need_them_are_not_begun(run, tmp_path):
    """A line would only come to say so after a minute."""
    assert run("out", "line", "tests", BROKEN="1").returncode == 1
    assert ended(tmp_path / "out") == [
        ("build", "FAILED: exit code 1"),
        ("line", "FAILED: no engines"),
        ("tests", "done"),
    ]


def test_engines_may_lie_elsewhere_and_are_taken_again(run, tmp_path):
    """A second call builds nothing, and its figures may go to another folder."""
    assert run("one", "build", BUILT="kept").returncode == 0
    assert run("two", "line", BUILT="kept").returncode == 0
    assert ended(tmp_path / "two") == [("line", "done")]
    assert f"--bundle {tmp_path}/kept" in (tmp_path / "two" / "line.txt").read_text()


@pytest.mark.parametrize(
    ("words", "said"), [((), "OUT [STEP ...]"), (("out", "nonsense"), "no step 'nonsense'; there are: build")]
)
def test_a_wrong_command_line_is_refused(run, words, said):
    found = run(*words)
    assert (found.returncode, said in found.stderr) == (2, True)


def test_help_is_the_text_at_the_head_of_the_file(run):
    found = run("--help")
    assert found.returncode == 0
    assert "100,000 parts at 5 ms" in found.stdout and "set -uo" not in found.stdout
