"""A folder that one process has to itself: by the kernel's lock of the folder, which ends with the process."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import subprocess
import sys
import threading

import pytest

from aoi_daemon.files.lock import HeldError, alone, hold


def test_one_has_it_or_several_in_common(tmp_path):
    for first, second, together in ((False, False, False), (True, False, False), (False, True, False), (True, True, True)):
        held = hold(tmp_path, in_common=first)
        if together:
            os.close(hold(tmp_path, in_common=second))
        else:
            with pytest.raises(HeldError, match=f"{tmp_path}: another process has it"):
                hold(tmp_path, in_common=second)
        os.close(held)
        os.close(hold(tmp_path))
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_it_ends_with_the_process_however_that_ends(tmp_path):
    code = f"from aoi_daemon.files.lock import hold; from pathlib import Path; hold(Path({str(tmp_path)!r})); print('held', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(HeldError):
            hold(tmp_path)
        other.kill()
        other.wait(10)
    os.close(hold(tmp_path))


def test_a_file_system_without_locks_keeps_nobody_out(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(fcntl, "flock", refuse)
    assert hold(tmp_path) is None
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        hold(tmp_path / "gone")


def test_users_and_golden_parts_are_changed_while_a_line_runs(tmp_path):
    """Their own changes hold folders too: none that a running line holds, or a person would wait for ever."""
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    held = hold(recipes, in_common=True)
    code = (
        "import sys; from pathlib import Path; from aoi_daemon.hmi.access.users import change_users; from aoi_daemon.golden import store; import numpy as np\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "change_users(folder / 'users.toml', lambda users: None)\n"
        "part = store.NewPart('one', np.zeros((64, 64, 1), np.uint8), None, True, 0, (), 'anna')\n"
        "store.add(folder / 'recipes' / 'demo.golden', [part], by='anna', when='2026-01-01T00:00:00Z')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    os.close(held)
    assert (tmp_path / "users.toml").exists() and (recipes / "demo.golden").is_dir()


def test_two_that_change_a_folder_do_so_one_after_the_other(tmp_path):
    """Whoever comes second waits for its turn; a fault in its turn gives it back."""
    inside = threading.Event()

    def change():
        with alone(tmp_path):
            inside.set()

    with contextlib.suppress(ZeroDivisionError), alone(tmp_path):
        second = threading.Thread(target=change, daemon=True)
        second.start()
        assert not inside.wait(0.1)
        raise ZeroDivisionError
    assert inside.wait(10)
    second.join(10)
    os.close(hold(tmp_path))
