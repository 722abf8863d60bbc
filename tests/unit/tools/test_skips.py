"""What ./tools/test says at its end of what it skipped."""

import os
import subprocess
import sys
from pathlib import Path

from tests import skips

ROOT = Path(__file__).parents[3]


def test_in_three_lines_it_says_what_for_want_of_what_and_how_to_get_it():
    gpu = [(f"tests/gpu/test_x.py::test_{number}", "libcuda.so.1 is not there") for number in range(3)]
    packages = [
        ("tests/unit/test_torch.py", "could not import 'torch': No module named 'torch'"),
        ("tests/unit/test_font.py::test_a", "pip install fonttools brotli"),
        ("tests/unit/test_font.py::test_b", "pip install fonttools brotli"),
    ]
    machine = [("tests/a.py::test_a", "openssl is not installed"), *((f"tests/a.py::test_{n}", "only root can") for n in range(2))]
    assert skips.told([*machine, *gpu, *packages]) == [
        "3 skipped: no NVIDIA GPU (tests/gpu): run ./tools/test tests/gpu on a machine with one",
        "3 skipped: packages that are not installed: .venv/bin/python -m pip install torch fonttools brotli",
        "3 skipped for want of what this machine, user or call has not: only root can (2); openssl is not installed (1)",
    ]


def test_a_test_that_two_runs_skip_counts_once():
    assert skips.told([("tests/a.py::test_a", "no"), ("tests/a.py::test_a", "no")])[0].startswith("1 skipped")


def test_where_nothing_was_skipped_it_says_so():
    assert skips.told([]) == ["nothing was skipped"]


def test_each_run_notes_what_it_skips(tmp_path):
    """A module and a test, with and without xdist; what the runs note is what is told."""
    test = tmp_path / "test_some.py"
    test.write_text(
        "import pytest\n\ndef test_a():\n    pytest.skip('for want of a')\n\ndef test_b():\n    pass\n\n"
        "@pytest.mark.skipif(True, reason='for want of c')\ndef test_c():\n    pass\n"
    )
    (tmp_path / "test_module.py").write_text("import pytest\n\npytest.importorskip('no_such_package')\n")
    notes = tmp_path / "notes"
    environment = {**os.environ, skips.VARIABLE: str(notes), "PYTHONPATH": str(ROOT)}
    for workers in ("0", "1"):
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", workers, "-p", "no:cacheprovider", "-p", "tests.conftest", "-c", ROOT / "pyproject.toml", tmp_path],
            env=environment, cwd=ROOT, capture_output=True, check=True, timeout=100,
        )  # fmt: skip
    said = subprocess.run([sys.executable, "-m", "tests.skips", notes], env=environment, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == [
        "1 skipped: packages that are not installed: .venv/bin/python -m pip install no_such_package",
        "2 skipped for want of what this machine, user or call has not: for want of a (1); for want of c (1)",
    ]
