"""The other revision, checked out beside this one and gone afterwards; and whether both can share an environment."""

import pytest

from tests.unit.tools.slower.conftest import PYPROJECT
from tools.slower import revision
from tools.slower.revision import RevisionError, as_it_is, beside, commit_of, empty_folder, needs


def test_the_other_revision_is_there_while_it_is_measured_and_gone_afterwards(repository):
    with beside(repository.folder, "HEAD~1", None, print) as tree:
        assert (tree.folder / "tools/line/bench.py").read_text() == "# first\n"
        assert tree.name.endswith("the first line")
        assert repository.worktrees() == 2
    assert not tree.folder.parent.exists()
    assert repository.worktrees() == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_it_is_gone_however_the_measurement_ends(repository, error):
    with pytest.raises(error), beside(repository.folder, "HEAD", None, print) as tree:
        raise error
    assert not tree.folder.parent.exists()
    assert repository.worktrees() == 1


def test_a_folder_that_was_there_stays_without_what_was_put_into_it(repository, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    with beside(repository.folder, "HEAD", own, print) as tree:
        assert tree.folder.parent == own.resolve()
    assert list(own.iterdir()) == []
    with beside(repository.folder, "HEAD", tmp_path / "new", print):
        pass
    assert not (tmp_path / "new").exists()


def test_changes_that_are_not_committed_are_left_alone_and_told(repository):
    bench = repository.folder / "tools/line/bench.py"
    bench.write_text("# third\n")
    assert as_it_is(repository.folder).endswith("the second line, with changes that are not committed")
    with beside(repository.folder, "HEAD", None, print) as tree:
        assert (tree.folder / "tools/line/bench.py").read_text() == "# second\n"
    assert bench.read_text() == "# third\n"


@pytest.mark.parametrize("name", ["nowhere", "--all", "HEAD~9", ""])
def test_a_revision_that_nothing_has_is_named(repository, name):
    with pytest.raises(RevisionError, match="no such revision"):
        commit_of(repository.folder, name)


def test_a_revision_without_a_line_is_refused_with_what_it_lacks(repository):
    with pytest.raises(RevisionError, match=r"early has no .*tools/line/bench.py.* take a later revision"):
        commit_of(repository.folder, "early")


def test_a_folder_that_is_no_checkout_is_refused(repository, tmp_path):
    with pytest.raises(RevisionError, match="is not a git checkout"):
        commit_of(tmp_path, "HEAD")
    with pytest.raises(RevisionError, match="part of"):
        commit_of(repository.folder / "tools", "HEAD")


def test_a_folder_that_holds_something_is_not_written_into(tmp_path):
    (tmp_path / "mine").write_text("mine\n")
    with pytest.raises(RevisionError, match="is not empty"):
        empty_folder(tmp_path)
    with pytest.raises(RevisionError, match="No such file"):
        empty_folder(tmp_path / "no" / "where")
    with pytest.raises(RevisionError, match=r"exists|Not a directory"):
        empty_folder(tmp_path / "mine")


@pytest.mark.parametrize(
    ("now", "others"),
    [
        (PYPROJECT.replace("numpy>=1", "numpy>=2"), True),
        (PYPROJECT.replace("rich>=13", "rich>=14"), True),
        (PYPROJECT.replace("pytest>=8", "pytest>=9"), False),
        (PYPROJECT + 'gpu = ["tensorrt"]\n', False),
    ],
)
def test_an_environment_is_made_only_where_a_line_needs_other_packages(repository, monkeypatch, now, others):
    said, made = [], []
    monkeypatch.setattr(revision, "environment", lambda tree, folder: made.append(tree) or "other-python")
    (repository.folder / "pyproject.toml").write_text(now)
    with beside(repository.folder, "HEAD", None, said.append) as tree:
        assert (tree.python == "other-python") is others
        assert made == [tree.folder] * others
    assert [("dependencies of HEAD are others" in words) for words in said] == [True] * others


def test_an_environment_that_cannot_be_made_says_what_pip_said(repository, tmp_path, monkeypatch):
    monkeypatch.setattr(revision.sys, "executable", "false")
    with pytest.raises(RevisionError, match="cannot be made"):
        revision.environment(repository.folder, tmp_path / "venv")


def test_a_project_file_that_is_no_toml_is_named(repository):
    (repository.folder / "pyproject.toml").write_text("[project\n")
    with pytest.raises(RevisionError, match=r"pyproject\.toml"):
        needs(repository.folder)
