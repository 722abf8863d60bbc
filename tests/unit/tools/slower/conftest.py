"""A git repository with two commits that look like this project to `tools/no_slower`."""

import subprocess

import pytest

from tools.slower.revision import _NEEDED

PYPROJECT = '[project]\ndependencies = ["numpy>=1"]\n[project.optional-dependencies]\ndemo = ["rich>=13"]\ndev = ["pytest>=8"]\n'


class Repository:
    """Commands and questions of a test."""

    def __init__(self, folder):
        self.folder = folder

    def git(self, *words):
        who = ("-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false")
        done = subprocess.run(["git", *who, *words], cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, message, files):
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "-A")
        self.git("commit", "--allow-empty", "-qm", message)

    def worktrees(self):
        return len(self.git("worktree", "list").splitlines())


@pytest.fixture
def repository(tmp_path, monkeypatch):
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    made = Repository(tmp_path / "project")
    made.folder.mkdir()
    made.git("init", "-q")
    made.commit("before there was a line", {"README.md": "nothing yet\n"})
    made.git("tag", "early")
    made.commit("the first line", {**dict.fromkeys(_NEEDED, "# first\n"), "pyproject.toml": PYPROJECT})
    made.commit("the second line", {"tools/line/bench.py": "# second\n"})
    return made
