"""`aoi-daemon check-config` on wrong files: exit 2, one line that names file, line, key, what was found and what to do."""

import importlib.util
import subprocess
import sys

import pytest

from aoi_daemon import preflight
from aoi_daemon.cli import main
from aoi_daemon.engine.reference import make_reference_bundle
from aoi_daemon.infer.bundle import load_bundle

LINE = '[[cameras]]\nkind = "replay"\nsource = "."\nmax_width_px = 640\nmax_height_px = 640\n'
RECIPE = 'id = 1\nname = "demo"\nbundle = "../bundle"\nwidth_px = 640\nheight_px = 640\n'


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference") / "bundle"
    make_reference_bundle(folder)
    return folder


@pytest.fixture
def folder(tmp_path, bundle):
    (tmp_path / "bundle").symlink_to(bundle)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/demo.toml").write_text(RECIPE)
    (tmp_path / "line.toml").write_text(LINE)
    (tmp_path / "board.png").touch()
    return tmp_path


WRONG = [
    ('[plc]\nhost = "127.000.000.010"\n', ":7: plc.host: '127.000.000.010' has leading zeros", 'write "127.0.0.10"'),
    ('[plc]\n\nhost = "10.5"\n', ":8: plc.host: '10.5' has 2 groups", "write a name, an IPv4 address of four"),
    ('[plc]\nhost = "[::1]"\n', ":7: plc.host: '[::1]' has brackets", 'write "::1"'),
    ('[plc]\nhost = "host:502"\n', ":7: plc.host: 'host:502' has a port", 'write host = "host" and port = 502'),
    ('[plc]\nhost = "10.0.0.1 "\n', ":7: plc.host: '10.0.0.1 ' has a blank", 'write "10.0.0.1"'),
    ("[plc]\nhost = 10\n", ":7: plc.host = 10: ", "string"),
    ('plc.host = "10.0.0.5"\n', ":6: cameras[0].plc: unknown key", ""),
    ('[plc]\nhost = ""\n', ":7: plc.host: '' is empty", "write a name"),
    ('[recorder]\n[publisher]\nhost = "tcp://10.0.0.5:1883"\n', ":8: publisher.host: 'tcp://10.0.0.5:1883' has a scheme", 'host = "10.0.0.5" and port = 1883'),
    ('[notices]\n[[notices.webhook]]\nname = "chat"\nurl = "https://chat.example"\n[[notices.rules]]\nalarms = ["PLC_LNK"]\nto = ["chat"]\n', ": notices.rules[0].alarms: no alarm is called 'PLC_LNK'", "did you mean 'PLC_LINK'?"),
    ('[notices]\n[[notices.webhook]]\nname = "chat"\nurl = "https://chat.example"\n[[notices.rules]]\npriority = "high"\nto = ["caht"]\n', ":6: notices: notices.rules[0].to: no receiver is called 'caht' (there: chat)", "no rule has 'chat' in its `to`"),
    ('[hmi]\nhost = "0x7f000001"\n', ":7: hmi.host: '0x7f000001' has hexadecimal in it (it would be taken for 127.0.0.1)", ""),
    ('[hmi]\norigins = [\n  "https://aoi.example",\n  "https://010.0.0.1",\n]\n', ":7: hmi.origins[1]: 'https://010.0.0.1': ", 'write "10.0.0.1"'),
    ('photo_eye = "::1:502"\n', ":6: cameras[0].photo_eye: '::1:502'", "[::1]:502"),
    (
        "trigger_within_ms = 5.0\n",
        ":6: cameras[0].trigger_within_ms: unknown key",
        'it belongs to [cameras] of kind = "genicam"; this one is of kind = "replay"',
    ),
    ("[line]\ncoil_base = 0\n", ":7: line.coil_base: unknown key", "it belongs to [plc]"),
    ("[plc]\nhots = 1\n", ":7: plc.hots: unknown key", "did you mean 'host'?"),
    ('"a\\nb" = 1\n', ":6: cameras[0].'a\\nb': unknown key", ""),
    (f'[line]\nname = "{"x" * 5000}"\n', ":7: line.name = 'xxx", "64 characters"),
    ("[[plc]]\nport = 502\n", ":6: plc: is one table: write [plc]", ""),
    ('[supervisor]\nsocket = "/run/' + "x" * 120 + '"\n', ": supervisor.socket = '/run/xxx", "at most 107 bytes"),
    ('[recorder]\nfolder = "board.png"\n', ": recorder.folder = 'board.png': ", "board.png is a file; name a folder"),
    ('[recorder]\nfolder = "' + "x" * 300 + '"\n', ": recorder.folder = 'xxx", "file name too long"),
    ('[hmi]\nusers = "' + "x" * 300 + '"\n', ": hmi.users = 'xxx", "file name too long"),
    ('[hmi]\nusers = "recipes"\n', ": hmi.users = 'recipes': is a folder; name a file", ""),
    ('[hmi]\nusers = "board.png/users.toml"\n', ": hmi.users = 'board.png/users.toml': not a directory", ""),
    ('[recorder]\nfolder = "board.png/below"\n', ": recorder.folder = 'board.png/below': ", "board.png is a file"),
    ("what is this\n", ":6:6: is not TOML: ", "'='"),
    ("[plc\n", ":6:5: is not TOML: ", ""),
    (b"# M\xfcnchen\n", ":6:4: is not UTF-8 text (byte 0xfc)", "save it as UTF-8"),
    (b"a = '\0'\n", ":6:6: has a NUL byte", "write the file anew"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "says", "remedy"), WRONG)
def test_a_wrong_line_is_one_line_with_its_place_and_exit_2(folder, capsys, more, says, remedy):
    file = folder / "line.toml"
    file.write_bytes(LINE.encode() + (more if isinstance(more, bytes) else more.encode()))
    assert main(["check-config", "--config", str(file)]) == 2
    out, error = capsys.readouterr()
    assert out == "" and error.count("\n") == 1 and len(error) < 500
    assert error.startswith(f"{file}{says}") and remedy in error


def test_two_wrong_keys_are_two_lines(folder, capsys):
    (folder / "line.toml").write_text(LINE + '[plc]\nhost = "010.1.1.1"\nport = 0\n')
    assert main(["check-config", "--config", str(folder / "line.toml")]) == 2
    assert [line.split(": ")[0].rpartition("/")[2] for line in capsys.readouterr().err.splitlines()] == ["line.toml:7", "line.toml:8"]


def utf_16(folder):
    (folder / "line.toml").write_text(LINE, encoding="utf-16")


def gigabyte(folder):
    with (folder / "line.toml").open("wb") as made:
        made.truncate(2**30)


def blank_in_name(folder):
    (folder / "recipes/my board.toml").write_text(RECIPE)


def wrong_recipe(folder):
    (folder / "recipes/demo.toml").write_bytes(b"\xef\xbb\xbf" + RECIPE.replace("id = 1", "id = 0").replace("\n", "\r\n").encode())


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (utf_16, "line.toml: is UTF-16 text; save it as UTF-8"),
        (gigabyte, "line.toml: is larger than 4194304 bytes (1073741824)"),
        (blank_in_name, "recipes: 'my board.toml': a recipe's name is 1 to 64 of A-Z a-z 0-9 . _ -; rename the file"),
        (wrong_recipe, "recipes/demo.toml:1: id = 0: "),
    ],
)
def test_the_command_itself_refuses_with_exit_2(folder, spoil, says):
    spoil(folder)
    done = subprocess.run(
        [sys.executable, "-m", "aoi_daemon", "check-config", "--config", str(folder / "line.toml")],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{folder}/{says}" in done.stderr and done.stderr.count("\n") == 1


def test_what_editors_leave_changes_nothing(folder, capsys):
    for path in (folder / "line.toml", folder / "recipes/demo.toml"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    for name in ("._demo.toml", ".#demo.toml", "demo.toml~", "#demo.toml#", "demo.toml.bak"):
        (folder / "recipes" / name).write_bytes(b"\xff\xfe\0")
    assert main(["check-config", "--config", str(folder / "line.toml")]) == 0
    assert "ok (cameras: camera-1; recipes: demo)" in capsys.readouterr().out


def without(monkeypatch, *packages):
    """As where these are not installed."""
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name in packages else real(name, *a))


@pytest.mark.parametrize(("gone", "said"), [(("harvesters", "genicam"), "harvesters, genicam"), (("genicam",), "genicam")])
@pytest.mark.parametrize("command", ["check-config", "run"])
def test_a_genicam_camera_without_its_packages_is_refused_with_the_pip_line(folder, capsys, monkeypatch, command, gone, said):
    without(monkeypatch, *gone)
    monkeypatch.setattr("aoi_daemon.cli.signal.signal", lambda *_: None)  # of a process of its own
    (folder / "x.cti").touch()
    camera = '[[cameras]]\nkind = "genicam"\nname = "side"\nproducer = "x.cti"\nmax_width_px = 640\nmax_height_px = 640\n'
    (folder / "line.toml").write_text(LINE + camera)
    assert main([command, "--config", str(folder / "line.toml")]) == 2
    assert f"cameras[1].kind = 'genicam': needs {said}: pip install 'aoi-daemon[cameras]'" in capsys.readouterr().err


def test_a_product_whose_every_part_would_be_rejected_for_want_of_a_template_is_refused(folder, capsys):
    (folder / "x.cti").touch()
    (folder / "line.toml").write_text('[line]\nrecipe = "demo"\n[[cameras]]\nkind = "genicam"\nproducer = "x.cti"\n')
    assert main(["check-config", "--config", str(folder / "line.toml")]) == 2
    said = capsys.readouterr().err
    assert f"{folder}/recipes/demo.toml: templates: none; " in said and "add `[[templates]]`" in said


def test_a_line_of_pictures_needs_no_camera_packages(folder, capsys, monkeypatch):
    without(monkeypatch, "harvesters", "genicam")
    main(["check-config", "--config", str(folder / "line.toml")])
    assert "genicam" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("", "holds no image (.png"),
        ("bundle", "holds no image (.png"),
        ("line.toml", "is no video that can be read; name a folder of pictures, or a video"),
        ("/dev/null", "is no video that can be read"),
        ("half", "the other half of its pair, a_temp, is missing"),
    ],
)
def test_a_source_that_no_part_can_come_from_is_refused(folder, capfd, source, says):
    (folder / "board.png").unlink()
    (folder / "half").mkdir()
    for name in ("a_test.png", "b_test.png", "b_temp.png"):
        (folder / "half" / name).touch()
    (folder / "line.toml").write_text(LINE.replace('"."', f'"{source}"'))
    assert main(["check-config", "--config", str(folder / "line.toml")]) == 2
    said = capfd.readouterr().err
    assert said.startswith(f"{folder}/line.toml: cameras[0].source: {folder / source}") and says in said and said.count("\n") == 1


def test_a_video_is_a_source(folder, capsys):
    import cv2
    import numpy as np

    video = cv2.VideoWriter(str(folder / "parts.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 64))
    video.write(np.zeros((64, 64, 3), np.uint8))
    video.release()
    (folder / "line.toml").write_text(LINE.replace('"."', '"parts.avi"'))
    assert main(["check-config", "--config", str(folder / "line.toml")]) == 0


def test_one_table_for_a_list_of_tables_is_told_with_the_brackets(folder, capsys):
    (folder / "line.toml").write_text(LINE.replace("[[cameras]]", "[cameras]"))
    assert main(["check-config", "--config", str(folder / "line.toml")]) == 2
    assert capsys.readouterr().err == f"{folder}/line.toml:1: cameras: is a list of tables: write [[cameras]], once for each\n"


def test_a_line_that_is_not_there_is_told_with_the_ways_on(tmp_path, capsys):
    assert main(["check-config", "--config", str(tmp_path / "line.toml")]) == 2
    assert capsys.readouterr().err == f"{tmp_path}/line.toml: the file does not exist; name yours with --config FILE, or make one with `aoi-daemon init DIR`\n"


def test_a_bundle_is_read_once_however_many_views_and_recipes_name_it(folder, monkeypatch):
    """All of its files are hashed: 64 views of one bundle took a reload as many times as long."""
    read = []
    monkeypatch.setattr(preflight, "load_bundle", lambda found: read.append(found) or load_bundle(found))
    line = LINE.replace('source = "."', 'source = "."\nfov_from = "count"\nfovs = 8')
    (folder / "line.toml").write_text(f"views_ms = 50.0\n{line}")
    views = "".join(f'[[views]]\nname = "v{fov}"\ncamera = "camera-1"\nfov = {fov}\n' for fov in range(8))
    (folder / "recipes/demo.toml").write_text(RECIPE + views)
    (folder / "recipes/other.toml").write_text(RECIPE.replace("id = 1", "id = 2").replace("demo", "other") + views)
    assert len(preflight.check(folder / "line.toml").recipes) == 2
    assert len(read) == 1
