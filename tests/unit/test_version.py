"""version.py: the commit of a wheel, of a checkout, and of neither."""

from __future__ import annotations

import subprocess

import pytest

from aoi_daemon import __version__, version


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package's folder of the test's own, whose top is `tmp_path`."""
    folder = tmp_path / "aoi_daemon"
    folder.mkdir()
    monkeypatch.setattr(version, "_FOLDER", folder)
    monkeypatch.setattr(version, "_WRITTEN", folder / "COMMIT")
    version.commit.cache_clear()
    yield folder
    version.commit.cache_clear()


def git(folder, *words):
    found = ["git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@example.org", *words]
    return subprocess.run(found, check=True, capture_output=True, text=True).stdout.strip()


def test_a_wheel_says_what_its_build_wrote(package):
    (package / "COMMIT").write_text("0123456789ab\n")
    assert version.described() == f"{__version__} (0123456789ab)"


@pytest.mark.parametrize("written", [b"", b"\xff\xff", b"<script>", b"0123456789ab\nmore\n", b"unknown\n"])
def test_what_is_no_commit_is_not_said(package, written):
    (package / "COMMIT").write_bytes(written)
    assert version.commit() == "unknown"


def test_a_checkout_says_its_head_and_whether_it_was_changed(package):
    top = package.parent
    git(top, "init", "--quiet")
    (package / "__init__.py").write_text("")
    git(top, "add", "-A")
    git(top, "commit", "--quiet", "-m", "first")
    head = git(top, "rev-parse", "HEAD")
    assert version.commit() == head[:12]
    (package / "__init__.py").write_text("changed = True\n")
    version.commit.cache_clear()
    assert version.commit() == f"{head[:12]}+changes"


def test_a_folder_inside_somebody_elses_repository_has_no_commit(package, tmp_path):
    inside = package.parent / "site-packages" / "aoi_daemon"
    inside.mkdir(parents=True)
    git(package.parent, "init", "--quiet")
    git(package.parent, "commit", "--quiet", "--allow-empty", "-m", "theirs")
    assert version.commit_of(inside.parent) == "unknown"


def test_without_git_the_commit_is_unknown(package, monkeypatch):
    (package.parent / ".git").mkdir()
    monkeypatch.setenv("PATH", str(package))
    assert version.commit() == "unknown"


def test_a_hook_of_another_repository_does_not_give_its_commit(package, tmp_path, monkeypatch):
    for top in (package.parent, tmp_path / "theirs"):
        top.mkdir(exist_ok=True)
        git(top, "init", "--quiet")
        git(top, "commit", "--quiet", "--allow-empty", "-m", str(top))
    head = git(package.parent, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "theirs/.git"))
    assert version.commit_of(package.parent) == head[:12]
