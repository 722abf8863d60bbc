"""The folder of golden parts: what is read, what is refused, and what a kill leaves."""

import contextlib
import json
import os
import re
import signal
import threading

import numpy as np
import pytest

from aoi_daemon.golden import store
from aoi_daemon.golden.manifest import MANIFEST, GoldenError, read_golden
from aoi_daemon.golden.store import add, remove
from tests.unit.golden.conftest import new

BOX = [1, 2, 30, 40, "open"]


@pytest.fixture
def folder(tmp_path):
    """One good part, and a bad one with its own template."""
    found = tmp_path / "demo.golden"
    template = np.full((64, 64, 1), 7, np.uint8)
    add(found, [new("ok", passed=True, level=1), new("bad", passed=False, boxes=[BOX], level=2, template=template)], by="anna", when="today")
    return found


def test_what_was_added_is_read_as_it_was(folder):
    golden = read_golden(folder)
    golden.check()
    assert (golden.good, golden.bad, len(golden.hash)) == (1, 1, 64)
    ok, bad = golden.parts
    assert (ok.name, bad.name, bad.by, bad.when, bad.source) == ("ok", "bad", "anna", "today", "bad.png")
    assert [str(box) for box in bad.boxes] == ["1,2,30,40,open"]
    image, template = golden.picture(bad, 1)
    assert (image == 2).all() and (template == 7).all()
    assert golden.picture(ok, 1)[1] is None


def test_there_is_nothing_where_there_is_no_folder_or_no_manifest(tmp_path):
    assert read_golden(tmp_path / "none").parts == ()
    (tmp_path / "orphan.png").write_bytes(b"")
    assert (read_golden(tmp_path).parts, read_golden(tmp_path).hash) == ((), "")


WRONG = [
    (lambda m: m.update(version=2), "version: Input should be 1"),
    (lambda m: m.update(more=1), "more: Extra inputs"),
    (lambda m: m["parts"][0].update(image="../ok.png"), "parts.0.image: String should match"),
    (lambda m: m["parts"][0].update(image=".ok.png"), "parts.0.image: String should match"),
    (lambda m: m["parts"][0].update(image="ok.jpg"), "parts.0.image: String should match"),
    (lambda m: m["parts"][0].update(sha256="0"), "parts.0.sha256: String should match"),
    (lambda m: m["parts"][0].update(boxes=[BOX]), "parts.0: boxes: a part that must pass has none"),
    (lambda m: m["parts"][0].update(passed=1), "parts.0.passed: Input should be a valid boolean"),
    (lambda m: m["parts"][0].update(fov=-1), "parts.0.fov: Input should be greater"),
    (lambda m: m["parts"][0].update(template="ok.template.png"), "template and template_sha256 go together"),
    (lambda m: m["parts"][1].update(boxes=[[1, 2, 3]]), "must be x1, y1, x2, y2 in px"),
    (lambda m: m["parts"][1].update(boxes=[[30, 2, 1, 40]]), "x1 must be below x2"),
    (lambda m: m["parts"][1].update(boxes=[[1, 2, 30, 20_000]]), "all of them 0 to 16384"),
    (lambda m: m["parts"][1].update(boxes=[[1, 2, 30, 40, ""]]), "the class must be a name"),
    (lambda m: m["parts"][1].update(boxes=[[1, 2, "30", 40]]), "must be x1, y1, x2, y2 in px"),
    (lambda m: m["parts"][1].update(boxes=[[1, 2, 30, 40]] * 201), "at most 200"),
    (lambda m: m["parts"].append(m["parts"][0]), "parts: ok.png: named more than once"),
    (lambda m: m.update(parts=[m["parts"][0]] * 201), "at most 200"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "says"), WRONG)
def test_a_manifest_that_makes_no_sense_is_refused(folder, change, says):
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(GoldenError, match=re.escape(says)) as error:
        read_golden(folder)
    assert str(error.value).startswith(str(folder / MANIFEST)) and "put it back" in str(error.value)


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[]", b"x" * (4 * 1024 * 1024 + 1)])
def test_what_is_no_manifest_is_refused(folder, raw):
    (folder / MANIFEST).write_bytes(raw)
    with pytest.raises(GoldenError):
        read_golden(folder)


@pytest.mark.parametrize("name", ["ok.png", "bad.template.png"])
def test_a_picture_that_was_changed_or_is_gone_is_named_with_the_way_out(folder, name):
    (folder / name).write_bytes(b"something else")
    with pytest.raises(GoldenError, match=rf"{name}: has SHA-256 \w+, manifest.json says .* golden remove --recipe demo (ok|bad)"):
        read_golden(folder).check()
    (folder / name).unlink()
    with pytest.raises(GoldenError, match=f"{name}: cannot be read: No such file"):
        read_golden(folder).check()


@pytest.mark.parametrize("name", [MANIFEST, "ok.png", "bad.template.png"])
def test_a_pipe_of_that_name_is_refused_at_once(folder, name):
    """A start, a reload and check-config read these: none of them may wait for whoever writes into a pipe."""
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with deadline_s(5), pytest.raises(GoldenError, match=f"{name}: is (a pipe|not a regular file)"):
        read_golden(folder).check()


def test_a_manifest_with_a_byte_order_mark_is_read(folder):
    """Somebody has looked at it in an editor."""
    before = read_golden(folder)
    (folder / MANIFEST).write_bytes(b"\xef\xbb\xbf" + (folder / MANIFEST).read_bytes())
    assert read_golden(folder).parts == before.parts


@contextlib.contextmanager
def deadline_s(seconds: int):
    """What takes longer fails."""
    previous = signal.signal(signal.SIGALRM, lambda *_: pytest.fail(f"waited for more than {seconds} s"))
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


# -- changing it --------------------------------------------------------------------


def test_parts_of_one_name_are_told_apart_and_odd_names_are_made_plain(folder):
    added = add(folder, [new("ok", passed=True, level=3), new("../Täst board!", passed=True, level=4), new("ok", passed=True, level=5)], by="", when="")
    assert [part.name for part in added] == ["ok-2", "T-st-board", "ok-3"]
    read_golden(folder).check()


def test_a_part_that_is_there_already_is_refused_and_nothing_is_added(folder):
    before = (folder / MANIFEST).read_bytes()
    with pytest.raises(GoldenError, match=r"again.png: is golden part ok already; .* golden remove --recipe demo ok"):
        add(folder, [new("x", passed=True, level=9), new("again", passed=False, boxes=[BOX], level=1)], by="", when="")
    assert (folder / MANIFEST).read_bytes() == before and not (folder / "x.png").exists()


def test_a_name_that_is_not_there_removes_nothing(folder, tmp_path):
    before = (folder / MANIFEST).read_bytes()
    with pytest.raises(GoldenError, match=r"has no golden part 'gone' \(there: ok, bad\)"):
        remove(folder, ["ok", "gone"])
    assert (folder / MANIFEST).read_bytes() == before
    with pytest.raises(GoldenError, match="there are no golden parts of this recipe"):
        remove(tmp_path / "none", ["ok"])


def test_what_is_removed_takes_its_pictures_with_it(folder):
    assert [part.name for part in remove(folder, ["bad"])] == ["ok"]
    assert sorted(path.name for path in folder.iterdir()) == [MANIFEST, "ok.png"]


class Killed(BaseException):
    """As SIGKILL would end it."""


@pytest.mark.parametrize("after", range(4))
def test_a_kill_at_any_point_leaves_what_was_there(folder, monkeypatch, after):
    """Each file is complete or not there; what the manifest does not name is removed by the next change."""
    before, real, calls = read_golden(folder), store.replace_file, []

    def write(file, content):
        if len(calls) == after:
            (folder / f".{file.name}.abcdef").write_bytes(content[:3])  # half of a file, as a kill leaves it
            raise Killed
        calls.append(file)
        real(file, content)

    monkeypatch.setattr(store, "replace_file", write)
    template = np.full((64, 64, 1), 7, np.uint8)
    parts = [new("a", passed=True, level=5, template=template), new("b", passed=True, level=6)]
    with pytest.raises(Killed):
        add(folder, parts, by="", when="")
    assert read_golden(folder) == before
    read_golden(folder).check()
    monkeypatch.undo()
    add(folder, parts, by="", when="")
    assert {path.name for path in folder.iterdir()} == {
        MANIFEST, "ok.png", "bad.png", "bad.template.png", "a.png", "a.template.png", "b.png",
    }  # fmt: skip


def test_two_that_add_at_once_both_do(folder):
    failed = []

    def one(number):
        try:
            add(folder, [new(f"p{number}", passed=True, level=100 + number)], by="", when="")
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not failed
    assert {f"p{number}" for number in range(8)} <= {part.name for part in read_golden(folder).parts}
