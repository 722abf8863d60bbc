"""The product in use, kept over restarts."""

import json
import os
import threading
from pathlib import Path

import pytest

from aoi_daemon.config.load import Configuration
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.supervisor import product
from aoi_daemon.supervisor.product import Kept, ProductFile, choose, of_another_name, state_file


class Log:
    def __init__(self):
        self.said = []

    def warning(self, event, **values):
        self.said.append((event, values["error"]))

    error = warning


@pytest.fixture
def file(tmp_path):
    found = ProductFile(tmp_path / "line.product", Log())
    yield found
    found.close()


def configuration(**sizes) -> Configuration:
    """Recipes `demo` (line.recipe), and those named in `sizes` with their width."""
    line = LineConfig.model_validate({"cameras": [{"kind": "replay", "source": "."}], "line": {"recipe": "demo"}})
    recipes = {
        name: Recipe(id=number, name=name, bundle=Path("b"), width_px=width, height_px=640)
        for number, (name, width) in enumerate({"demo": 640, **sizes}.items(), 1)
    }
    return Configuration(Path("/etc/line.toml"), line, recipes)


def test_what_is_kept_is_read_again_whoever_reads(file):
    file.write(Kept(recipe="b", start="demo"))
    file.write(Kept(recipe="c", start="demo", asked=7))
    file.close()
    assert ProductFile(file.path, Log()).read() == Kept(recipe="c", start="demo", asked=7)
    assert [path.name for path in file.path.parent.iterdir()] == ["line.product"]


def test_nothing_kept_is_no_fault(file):
    assert file.read() is None
    assert file._log.said == []


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"recipe": 1, "start": "demo"}', b"\xff", b'{"recipe": "b"', b'{"recipe": "b", "start": "d", "asked": -1}'])
def test_what_cannot_be_read_is_said_and_done_without(file, content):
    file.path.write_bytes(content)
    assert file.read() is None
    assert file._log.said[0][0] == "product_not_read"


def test_a_link_is_not_followed(file, tmp_path):
    """Beside a socket in /tmp anybody may have put one."""
    (tmp_path / "theirs").write_text(Kept(recipe="b", start="demo").model_dump_json())
    file.path.symlink_to(tmp_path / "theirs")
    assert file.read() is None
    assert len(file._log.said) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_another_user_s_file_is_not_believed(file):
    file.path.write_text(Kept(recipe="b", start="demo").model_dump_json())
    os.chown(file.path, 12345, 12345)
    assert file.read() is None
    assert "belongs to another user" in file._log.said[0][1]


def test_a_folder_that_is_gone_is_said_and_stops_nobody(tmp_path):
    file = ProductFile(tmp_path / "gone" / "line.product", Log())
    file.write(Kept(recipe="b", start="demo"))
    file.close()
    assert file._log.said[0][0] == "product_not_kept"


def test_the_product_in_use_is_used_again():
    found, wrong = choose(configuration(b=640), Kept(recipe="b", start="demo"))
    assert (found.in_use, wrong) == ("b", "")


def test_without_a_memory_line_recipe_is_used():
    assert choose(configuration(b=640), None)[0].in_use == "demo"


def test_line_recipe_counts_again_once_it_was_edited():
    """Whoever edits it and starts the service anew means it."""
    found, wrong = choose(configuration(b=640), Kept(recipe="b", start="another"))
    assert (found.in_use, wrong) == ("demo", "")


@pytest.mark.parametrize(("sizes", "says"), [({}, "b, in use before the restart, is gone"), ({"b": 1280}, "needs at least 1280")])
def test_a_product_that_cannot_be_used_any_more_is_said(sizes, says):
    found, wrong = choose(configuration(**sizes), Kept(recipe="b", start="demo"))
    assert found.in_use == "demo"
    assert says in wrong and "demo (line.recipe) is in use" in wrong


def test_it_lies_in_the_state_folder_else_beside_the_socket(monkeypatch, tmp_path):
    """In a folder by the line's name alone: a command of root, without the service's environment, finds it there."""
    socket = tmp_path / "aoi-daemon-0-left.sock"
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert state_file(None, socket, "left") == tmp_path / "aoi-daemon-0-left.product"
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/aoi-daemon:/var/lib/other")
    assert state_file(None, socket, "left") == Path("/var/lib/aoi-daemon/aoi-daemon-left.product")
    assert state_file(Path("/srv"), socket, "left") == Path("/srv/aoi-daemon-left.product")


@pytest.mark.parametrize("name", ["aoi-daemon.product", "aoi-daemon-left.product", "mine.product"])
def test_what_an_older_version_kept_is_found_and_moved_once(monkeypatch, tmp_path, name):
    """By the socket's name: the same for every line at first, or the one configured."""
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    (tmp_path / name).write_text("kept")
    socket = Path("/run/x") / (name.replace(".product", ".sock") if name.startswith("mine") else "aoi-daemon-left.sock")
    found = state_file(tmp_path, socket, "left")
    assert found.name == "aoi-daemon-left.product" and found.read_text() == "kept"
    assert [each.name for each in tmp_path.iterdir()] == [found.name]
    (tmp_path / "aoi-daemon.product").write_text("of a line that was updated later")
    assert state_file(tmp_path, socket, "left").read_text() == "kept"


def test_a_line_that_was_renamed_is_told_where_its_product_may_be(tmp_path):
    """And no product is guessed: the other file may be that of another line."""
    mine, other = tmp_path / "aoi-daemon-north.product", tmp_path / "aoi-daemon-left.product"
    assert of_another_name(mine) == ""
    other.write_text("kept")
    assert "aoi-daemon-left.product beside it" in of_another_name(mine)
    assert "`aoi-daemon recipe NAME`" in of_another_name(mine)
    mine.write_text("kept")
    assert of_another_name(mine) == ""


KEPT = {"recipe": "b", "start": "demo"}


@pytest.mark.parametrize(
    ("more", "good"),
    [
        ({"added_by": "a later version"}, True),
        ({"grace": {"recipe": "b", "added_by": "a later version"}}, True),
        ({"recipe": "x"}, True),
        ({"recipe": "x" * 255}, True),
        ({"recipe": "x" * 256}, False),
        ({"recipe": ""}, False),
        ({"asked": 0}, True),
        ({"asked": 65_535}, True),
        ({"asked": 65_536}, False),
        ({"version": 1}, True),
        ({"version": 0}, False),
        ({"grace": {"recipe": "x"}}, True),
        ({"grace": {"recipe": "x" * 255}}, True),
        ({"grace": {"recipe": "x" * 256}}, False),
        ({"grace": {"recipe": ""}}, False),
        ({"grace": {"recipe": "b", "used_s": 0}}, True),
        ({"grace": {"recipe": "b", "used_s": -0.5}}, False),
    ],
)
def test_what_a_later_version_adds_is_passed_over_and_what_cannot_be_is_not_read(file, more, good):
    """Names are those of files; the PLC's id is a word."""
    file.path.write_text(json.dumps(KEPT | more))
    assert (file.read() is not None) is good
    assert bool(file._log.said) is not good


def test_what_is_absent_is_as_it_was_before_it_was_kept(file):
    file.path.write_text(json.dumps(KEPT))
    found = file.read()
    assert (found.asked, found.version, found.grace) == (0, 1, None)


@pytest.mark.parametrize(("bytes_", "good"), [(4096, True), (4097, False)])
def test_of_a_file_that_is_not_ours_no_more_than_a_page_is_read(file, bytes_, good):
    file.path.write_text(json.dumps(KEPT | {"more": ""}))
    file.path.write_text(json.dumps(KEPT | {"more": "x" * (bytes_ - file.path.stat().st_size)}))
    assert (file.read() is not None) is good


def test_it_is_for_the_daemon_s_user_alone(file):
    file.write(Kept(recipe="b", start="demo"))
    file.close()
    assert file.path.stat().st_mode & 0o777 == 0o600


def test_one_thread_writes_and_a_disk_that_hangs_keeps_nobody_from_ending(file, monkeypatch):
    """It belongs to the supervisor, whose end must not wait for the disk."""
    free, began = threading.Event(), threading.Event()
    joined = []
    monkeypatch.setattr(product, "replace_file", lambda *_: began.set() or free.wait(10))
    before = set(threading.enumerate())
    for name in "abc":
        file.write(Kept(recipe=name, start="demo"))
    (thread,) = set(threading.enumerate()) - before
    assert thread.daemon and thread.name == "product"
    assert began.wait(10)
    monkeypatch.setattr(thread, "join", joined.append)
    file.close()
    assert joined == [1.0], "seconds"
    free.set()
    monkeypatch.undo()
    thread.join(10)
    assert not thread.is_alive(), "it was told that nothing follows"
