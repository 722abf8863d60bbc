"""A wrong file is one error that names file, key, value and bound."""

import re
from pathlib import Path

import pytest

from aoi_daemon.config.load import load
from aoi_daemon.errors import ConfigError

LINE = """
[line]
recipe = "board"
[[cameras]]
kind = "replay"
source = "images"
"""
RECIPE = """
id = 7
name = "board"
bundle = "../bundle"
width_px = 640
height_px = 480
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    (tmp_path / "recipes").mkdir()
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle/manifest.json").write_text("{}")
    (tmp_path / "line.toml").write_text(LINE)
    (tmp_path / "recipes/board.toml").write_text(RECIPE)
    return tmp_path


def refused(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder / "line.toml")
    return str(caught.value)


def test_trigger_numbers_are_allowed_where_the_plc_is_read_often_enough(folder):
    camera = '[[cameras]]\nname = "b"\nkind = "genicam"\nproducer = "images"\nmax_width_px = 640\nmax_height_px = 640\n'
    rest = "trigger_within_ms = 5\n[plc.poll]\nbase = 0\nperiod_ms = 10\n"
    (folder / "line.toml").write_text(LINE + camera + rest)
    assert load(folder / "line.toml").line.cameras[1].trigger_within_ms == 5


def test_a_right_configuration_loads_with_paths_from_its_folder(folder):
    found = load(folder / "line.toml")
    assert found.line.cameras[0].source == folder / "images"
    assert found.recipe.id == 7
    assert found.recipe.bundle.resolve() == folder / "bundle"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ('[plc]\nport = 70000\n', r"line\.toml:8: plc\.port = 70000: .*65535"),
        ('[plc]\nport = "502"\n', r"plc\.port = '502': .*integer"),
        ('[plc]\nprot = 502\n', r"plc\.prot: unknown key \(did you mean 'port'\?\)"),
        ("[plc]\nanswer_ms = 50.0\n", r"plc\.answer_ms \(50\) leaves 0 ms of line\.deadline_ms \(50\).*1 request, .*111\.2 ms or plc\.answer_ms = 22\.5"),
        ("[plc]\nanswer_ms = 21.0\n", r"plc\.timeout_ms \(20\) is below plc\.answer_ms \(21\).*set timeout_ms to 21"),
        (
            "[plc]\nanswer_ms = 17\n[plc.registers]\nbase = 0\n",
            r"plc\.answer_ms \(17\) leaves 0 ms.*2 requests.*takt of 56\.7 ms or plc\.answer_ms = 15 or coils alone",
        ),
        ("[plc.registers]\nbase = 0\n[plc.poll]\nbase = 15\n", r"plc\.registers\.base \(0, 16 registers\) and plc\.poll\.base \(15, 8\) overlap.*to 16"),
        ("[plc.registers]\nbase = 107\n[plc.poll]\nbase = 100\n", r"overlap"),
        ('[ring]\nslots = 1\n', r"ring\.slots = 1: .*greater than or equal to 3"),
        ('[inspection]\nbackend = "cuda"\n', r"inspection\.backend = 'cuda': .*'auto', 'onnx', 'openvino' or 'tensorrt'"),
        ('[log]\nlevel = true\n', r"log\.level = True"),
        ('[[cameras]]\nkind = "webcam"\n', r"cameras\[1\] = .*'replay', 'genicam'"),
        ('[[cameras]]\nkind = "replay"\n', r"cameras\[1\]\.source: missing"),
        ('[[cameras]]\nname = "b"\nkind = "replay"\nsource = "nowhere"\n', r"cameras\[1\]\.source = .*nowhere.*does not exist"),
        ('[[cameras]]\nkind = "replay"\nsource = "images"\n', r"cameras\.name: .* are not all different"),
        ('[[cameras]]\nname = "b"\nkind = "replay"\nsource = "images"\npace = "plc"\n', r"needs \[plc\.poll\]"),
        (
            '[[cameras]]\nname = "b"\nkind = "genicam"\nproducer = "images"\ntrigger_within_ms = 5\n',
            r"cameras\.trigger_within_ms needs \[plc\.poll\]",
        ),
        (
            '[[cameras]]\nname = "b"\nkind = "genicam"\nproducer = "images"\ntrigger_within_ms = 5\n[plc.poll]\nbase = 0\nperiod_ms = 20\n',
            r"trigger_within_ms \(5\) with plc\.poll\.period_ms \(20\) and plc\.answer_ms \(5\) is more than half of line\.takt_ms \(25\)",
        ),
        (
            '[[cameras]]\nname = "b"\nkind = "genicam"\nproducer = "images"\nserial = "1"\nmodel = "2"\n',
            r"cameras\[1\]: name the device by one of serial, device_id, model and user_name",
        ),
        ('[[cameras]]\nname = "b"\nkind = "replay"\nsource = "images"\nmax_width_px = 320\n', r"cameras\[1\]\.max_width_px = 320: recipe 'board' needs at least 640"),
        ('[[cameras]]\nname = "b"\nkind = "replay"\nsource = "images"\nchannels = 3\n', r"cameras\[1\]\.channels = 3: recipe 'board' has 1"),
        ("[plc]\ntimeout_ms = 1000\n", r"plc\.timeout_ms \(1000\): connecting .* 2000 ms.* supervisor\.hang_ms \(2000\)"),
        ('[publisher]\nhost = "broker"\n', r"\[publisher\] needs \[recorder\]"),
        ("what is this", r"line\.toml:7:6: is not TOML: .*'='"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_refused_by_name(folder, wrong, says):
    """By one problem, though a camera may be of several kinds."""
    (folder / "line.toml").write_text(LINE + wrong)
    with pytest.raises(ConfigError) as caught:
        load(folder / "line.toml")
    (problem,) = str(caught.value).splitlines()
    assert re.search(says, problem), problem


@pytest.mark.parametrize("more", ["", "[plc.registers]\nbase = 0\n"])
def test_a_deadline_over_the_takt_is_refused_whatever_is_written(folder, more):
    (folder / "line.toml").write_text(LINE.replace("[line]", "[line]\ntakt_ms = 20\ndeadline_ms = 50") + more)
    assert "line.deadline_ms (50) is over line.takt_ms (20)" in refused(folder)


def test_blocks_side_by_side_are_fine(folder):
    (folder / "line.toml").write_text(LINE + "[plc.registers]\nbase = 0\n[plc.poll]\nbase = 16\n")
    load(folder / "line.toml")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("id = 7", "id = 0", r"recipes/board\.toml:2: id = 0: .*greater than or equal to 1"),
        ("width_px = 640", "width_px = 6.5", r"width_px = 6\.5"),
        ('"../bundle"', '"../images"', r"bundle = .*images.*not a bundle"),
        ("id = 7", 'id = 7\nunit = "inch"', r"unit = 'inch': .*'px' or 'mm'"),
        ("id = 7", 'id = 7\nlimits = [{name = "open", score = 1.5}]', r"limits\[0\]\.score = 1\.5: .*1"),
        ("id = 7", 'id = 7\nlimits = [{name = "a"}, {name = "a"}]', r"limits\.name: .* not all different"),
        ("id = 7", 'id = 7\ntemplates = [{fov = 0, image = "no.png"}]', r"templates\[0\]\.image = .*no\.png.*does not exist"),
        ("id = 7", 'id = 7\nregions = [{kind = "inspect", corners = [[1, 2]]}]', r"regions\[0\]\.corners"),
        ("id = 7", 'id = 7\npx_per_mm = inf', r"px_per_mm = inf: .*finite"),
        ("id = 7", 'id = 7\nregions = [{kind = "ignore", corners = [[1, 2], [nan, 9]]}]', r"regions\[0\]\.corners\[1\]\[0\] = nan"),
    ],
)  # fmt: skip
def test_a_wrong_recipe_is_refused_by_name(folder, old, new, says):
    (folder / "recipes/board.toml").write_text(RECIPE.replace(old, new))
    assert re.search(says, refused(folder)), refused(folder)


def test_every_problem_of_a_file_is_told_at_once(folder):
    (folder / "line.toml").write_text(LINE + "[plc]\nport = 0\nunit = 300\n")
    said = refused(folder)
    assert "line.toml:8: plc.port = 0" in said and "line.toml:9: plc.unit = 300" in said


def test_a_recipe_that_is_not_there_names_those_that_are(folder):
    (folder / "line.toml").write_text(LINE.replace("board", "other"))
    assert re.search(r"line\.recipe = 'other': no such file .*there: board", refused(folder))


def test_two_recipes_cannot_have_one_id(folder):
    (folder / "recipes/copy.toml").write_text(RECIPE)
    assert re.search(r"copy\.toml: id = 7: already the id of board\.toml", refused(folder))


def test_a_missing_file_is_named(folder):
    with pytest.raises(ConfigError, match=r"nowhere\.toml: the file does not exist"):
        load(folder / "nowhere.toml")


def test_a_file_that_is_not_text_is_named(folder):
    (folder / "line.toml").write_bytes(b"\xff\xfe\x00")
    assert "is UTF-16 text; save it as UTF-8" in refused(folder)


def test_a_folder_in_place_of_a_file_is_named(folder):
    with pytest.raises(ConfigError, match="cannot be read"):
        load(folder)


def test_the_product_in_use_is_loaded_or_missed_by_name(folder):
    """The daemon remembers it beyond a restart; its file may be gone by then."""
    (folder / "recipes/other.toml").write_text(RECIPE.replace("id = 7", "id = 8"))
    assert load(folder / "line.toml", product="other").recipe.id == 8
    with pytest.raises(ConfigError, match="is gone, and it is the product in use"):
        load(folder / "line.toml", product="third")


def test_the_state_folder_lies_beside_line_toml(folder):
    (folder / "state").mkdir()
    (folder / "line.toml").write_text(LINE + '[supervisor]\nstate_folder = "state"\n')
    assert load(folder / "line.toml").line.supervisor.state_folder == folder / "state"
    (folder / "line.toml").write_text(LINE + '[supervisor]\nstate_folder = "none"\n')
    assert "supervisor.state_folder" in refused(folder) and "is no folder" in refused(folder)


def test_two_configurations_that_say_the_same_are_equal_however_it_was_written(folder):
    """A reload compares what files say, not their bytes."""
    first = load(folder / "line.toml")
    (folder / "line.toml").write_text(LINE + "# a remark\n")
    assert load(folder / "line.toml") == first
    assert "# a remark" not in repr(load(folder / "line.toml")), "a log line is not the place for a file"


def test_paths_hold_wherever_the_process_goes_from_here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    found = load(Path("line.toml"))
    assert found.file == folder / "line.toml"
    assert found.line.cameras[0].source == folder / "images" and found.recipe.bundle.is_absolute()


def test_of_many_problems_the_first_twenty_are_told_with_their_line(folder):
    text = RECIPE + "".join(f"unknown_{number} = 1\n" for number in range(22))
    (folder / "recipes/board.toml").write_text(text)
    lines = [line for line in refused(folder).splitlines() if "unknown_" in line]
    assert len(lines) == 22
    assert [bool(re.search(r":\d+: ", line)) for line in lines] == [True] * 20 + [False] * 2


def test_a_key_of_another_table_is_sent_home(folder):
    """With the kind only where the table has several."""
    (folder / "line.toml").write_text(LINE.replace('source = "images"', 'source = "images"\ntakt_ms = 5'))
    assert "it belongs to [line]" in refused(folder) and "[line] of kind" not in refused(folder)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("line.toml", 'source = "images"', 'source = "{}"'),
        ("line.toml", "[line]", '[supervisor]\nstate_folder = "{}"\n[line]'),
        ("recipes/board.toml", "../bundle", "{}"),
        ("recipes/board.toml", "id = 7", 'id = 7\ntemplates = [{{fov = 0, image = "{}"}}]'),
    ],
)
def test_a_path_that_the_system_does_not_take_is_an_error_of_its_file(folder, file, old, new):
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new.format("x" * 300)))
    assert "x" * 300 in refused(folder)
