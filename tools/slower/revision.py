"""The two trees that are compared: this one as it is, and another revision in a git worktree beside it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_NEEDED: Final = ("aoi_daemon/engine/reference.py", "tools/line/bench.py", "pyproject.toml")
_EXTRAS: Final = ("demo", "engine", "hmi")
"""Of pyproject.toml: those that a measured line runs with."""


class RevisionError(Exception):
    """The other revision cannot be had; the message says why, and what to do."""


class Tree(NamedTuple):
    """A tree of this project, what it is called, and the Python that runs it."""

    name: str
    folder: Path
    python: str


def git(folder: Path, *words: str) -> str:
    """What `git` says in `folder`.

    Raises:
        RevisionError: it is not installed, or refuses; with its own words.
    """
    # Of a hook that calls this, these would name another repository or index.
    bare = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        # A worktree that is there for some minutes is no checkout that anybody's hooks wait for.
        done = subprocess.run(
            ["git", "-c", "core.hooksPath=/dev/null", *words], cwd=folder, env=bare, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise RevisionError("git is not installed; on Debian: apt-get install git") from None
    if done.returncode:
        raise RevisionError(f"git {words[0]}: {done.stderr.strip() or f'exit {done.returncode}'}")
    return done.stdout.strip()


def commit_of(root: Path, revision: str) -> str:
    """The commit that `revision` names, in full.

    Raises:
        RevisionError: `root` is no git checkout, nothing has that name, or that revision has no line to measure.
    """
    try:
        top = git(root, "rev-parse", "--show-toplevel")
    except RevisionError as error:
        raise RevisionError(
            f"{root} is not a git checkout, so there is no other revision to compare with: clone the project ({error})"
        ) from None
    if Path(top).resolve() != root.resolve():
        raise RevisionError(f"{root} is not a git checkout of its own, but part of {top}: clone the project")
    try:
        commit = git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    except RevisionError:
        raise RevisionError(f"{revision}: no such revision in {root}; `git log --oneline` lists them") from None
    there = set(git(root, "ls-tree", "-r", "--name-only", commit).splitlines())
    missing = [path for path in _NEEDED if path not in there]
    if missing:
        raise RevisionError(
            f"{revision} has no {', '.join(missing)}, so its line cannot be measured; take a later revision"
        )
    return commit


def named(root: Path, commit: str = "HEAD") -> str:
    """A commit as a person knows it: its short hash and first line."""
    return git(root, "log", "-1", "--format=%h %s", commit)


def as_it_is(root: Path) -> str:
    """What `root` is: its commit, and whether there are changes that are not committed."""
    changed = git(root, "status", "--porcelain")
    return named(root) + (", with changes that are not committed" if changed else "")


def empty_folder(folder: Path | None) -> Path:
    """An empty folder for the other revision: `folder`, made where it is not there, or a temporary one.

    Raises:
        RevisionError: `folder` holds something, or cannot be made.
    """
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="aoi-no-slower-"))
    try:
        folder.mkdir(exist_ok=True)
        if any(folder.iterdir()):
            raise RevisionError(f"--folder {folder}: is not empty; name one that is, or that is not there yet")
    except OSError as error:
        raise RevisionError(f"--folder {folder}: {error.strerror}") from None
    return folder.resolve()


@contextmanager
def beside(root: Path, revision: str, folder: Path | None, say: Callable[[str], None]) -> Iterator[Tree]:
    """The tree of `revision`, ready to run; gone when the block ends, however it ends.

    Args:
        root: this tree.
        revision: any name that git knows.
        folder: where it is checked out; None: a temporary folder.
        say: is told of what takes a while.

    Raises:
        RevisionError: it cannot be had.
    """
    commit = commit_of(root, revision)
    made_here = folder is None or not folder.exists()
    where = empty_folder(folder)
    tree = where / "tree"
    try:
        git(root, "worktree", "add", "--quiet", "--detach", str(tree), commit)
        python = sys.executable
        if needs(root) != needs(tree):
            say(f"the dependencies of {revision} are others: making an environment for it (needs the network)")
            python = environment(tree, where / "venv")
        yield Tree(named(root, commit), tree, python)
    finally:
        with _undisturbed():
            if tree.exists():
                git(root, "worktree", "remove", "--force", str(tree))
            shutil.rmtree(where / "venv", ignore_errors=True)
            if made_here:
                shutil.rmtree(where, ignore_errors=True)
            git(root, "worktree", "prune")


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C must not leave half of a worktree behind."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def needs(tree: Path) -> dict[str, Any]:
    """What pyproject.toml asks for, as far as a measured line runs with it.

    Raises:
        RevisionError: it is not TOML.
    """
    try:
        project = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except ValueError as error:
        raise RevisionError(f"{tree / 'pyproject.toml'}: {error}") from None
    extras = project.get("optional-dependencies", {})
    return {"": sorted(project.get("dependencies", ()))} | {name: sorted(extras.get(name, ())) for name in _EXTRAS}


def environment(tree: Path, folder: Path) -> str:
    """A virtual environment in `folder` with what `tree` needs; its Python.

    Raises:
        RevisionError: something cannot be installed; with the end of what pip said.
    """
    extras = ",".join(name for name in _EXTRAS if needs(tree)[name])
    python = str(folder / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{tree}[{extras}]"]
    steps: Sequence[list[str]] = ([sys.executable, "-m", "venv", str(folder)], install)
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip())[-1000:]
            raise RevisionError(f"the environment of {tree} cannot be made:\n{said}")
    return python
