"""The files of systemd/, installed into a folder of the test's own by the script that installs them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def install(tmp_path):
    """`install(*options)`: run tools/install_service with --root; the finished process, with `.root`."""
    root = tmp_path / "image"

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        found = subprocess.run(
            [str(ROOT / "tools/install_service"), "--root", str(root), *options],
            check=False, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        found.root = root
        return found

    return run
