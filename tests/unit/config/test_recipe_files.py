"""What editors and file managers leave in recipes/ is no recipe, and a name that no recipe can have is refused."""

import os
from pathlib import Path

import pytest

from aoi_daemon.config.load import altered, load
from aoi_daemon.config.recipe_files import recipe_files
from aoi_daemon.errors import ConfigError

RECIPE = 'id = 7\nname = "board"\nbundle = "../bundle"\nwidth_px = 640\nheight_px = 480\n'


@pytest.fixture
def file(tmp_path):
    for folder in ("images", "recipes", "bundle"):
        (tmp_path / folder).mkdir()
    (tmp_path / "bundle/manifest.json").write_text("{}")
    (tmp_path / "recipes/board.toml").write_text(RECIPE)
    (tmp_path / "line.toml").write_text('[line]\nrecipe = "board"\n[[cameras]]\nkind = "replay"\nsource = "images"\n')
    return tmp_path / "line.toml"


def refused(file) -> str:
    with pytest.raises(ConfigError) as caught:
        load(file)
    return str(caught.value)


LEFT = ["._b.toml", ".#b.toml", ".b.toml", ".b.toml.swp", "b.toml~", "#b.toml#", "#b.toml", "b.toml.bak", "b.swp", "b.orig", "b.toml.rej", "b.TOML~"]


@pytest.mark.parametrize("name", LEFT)
def test_what_is_left_there_is_neither_read_nor_a_change(file, name):
    before = load(file)
    (file.parent / "recipes" / name).write_bytes(b"\0\1 no TOML")
    assert list(load(file).recipes) == ["board"]
    assert altered(before) == []


def test_a_lock_is_neither_read_nor_a_change(file):
    before = load(file)
    (file.parent / "recipes/b.toml").symlink_to("anna@line-pc.4711:1764230000")
    assert list(load(file).recipes) == ["board"]
    assert altered(before) == []


def test_a_link_that_leads_nowhere_and_is_no_lock_is_a_recipe_that_is_gone(file):
    """A share that is not mounted: its recipe must not go missing without a word."""
    (file.parent / "recipes/b.toml").symlink_to("/mnt/nowhere/b.toml")
    assert "recipes/b.toml: the file does not exist" in refused(file)


@pytest.mark.parametrize("target", ["nowhere.toml", "/mnt/anna@host/b.toml", "x/@y"])
def test_only_a_name_with_an_at_and_no_folder_is_a_lock(file, target):
    (file.parent / "recipes/b.toml").symlink_to(target)
    assert "recipes/b.toml: the file does not exist" in refused(file)


def test_a_link_to_a_file_is_a_recipe_whatever_the_file_is_called(file):
    (file.parent / "recipes/anna@line-pc").write_text(RECIPE.replace("7", "8"))
    (file.parent / "recipes/b.toml").symlink_to("anna@line-pc")
    assert load(file).recipes["b"].id == 8


@pytest.mark.parametrize(("length", "shown"), [(80, f"'{'x' * 75}.toml'"), (81, f"'{'x' * 76}.tom'...")])
def test_a_name_is_shown_in_80_characters_at_most(file, length, shown):
    (file.parent / "recipes" / ".toml".rjust(length, "x")).write_text(RECIPE)
    assert f": {shown}: a recipe's name is" in refused(file)


def test_a_file_that_is_gone_is_a_change(file):
    before = load(file)
    (file.parent / "recipes/board.toml").unlink()
    assert altered(before) == [file.parent / "recipes/board.toml"]
    file.unlink()
    assert altered(before) == [file, file.parent / "recipes/board.toml"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("my board.toml", "'my board.toml': a recipe's name is 1 to 64 of A-Z a-z 0-9 . _ -; rename the file"),
        ("brücke.toml", "'brücke.toml': a recipe's name is"),
        ("bru\u0308cke.toml", "a recipe's name is"),
        ("b (copy).toml", "'b (copy).toml': a recipe's name is"),
        ("~b.toml", "'~b.toml': a recipe's name is"),
        ("a\nb.toml", r"'a\nb.toml': a recipe's name is"),
        (f"{'x' * 65}.toml", "a recipe's name is 1 to 64"),
        ("b.TOML", "'b.TOML': a recipe's file ends with .toml in lower case; rename it to b.toml"),
        ("b.Toml", "rename it to b.toml"),
    ],
)
def test_a_name_that_no_recipe_can_have_is_refused_by_name(file, name, says):
    before = load(file)
    (file.parent / "recipes" / name).write_text(RECIPE.replace("7", "8"))
    said = refused(file)
    assert says in said and "\n" not in said
    assert altered(before) == [file.parent / "recipes" / name], "a change that a person is told of"


def test_a_name_of_bytes_that_are_no_text_is_refused(file):
    os.close(os.open(os.fsencode(file.parent / "recipes") + b"/b\xff.toml", os.O_CREAT))
    said = refused(file)
    assert "a recipe's name is" in said and "\n" not in said


def test_a_recipe_of_a_gigabyte_is_refused_and_a_change_unread(file, monkeypatch):
    before = load(file)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} was read without a bound"))
    with (file.parent / "recipes/big.toml").open("wb") as made:
        made.truncate(2**30)
    assert "big.toml: is larger than 4194304 bytes" in refused(file)
    assert altered(before) == [file.parent / "recipes/big.toml"]


def test_a_byte_order_mark_is_no_part_of_a_recipe(file):
    path = file.parent / "recipes/board.toml"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert load(file).recipe.id == 7
    assert altered(load(file)) == []


def test_where_there_is_no_folder_there_is_no_recipe(file):
    assert recipe_files(file) == recipe_files(file.parent / "nowhere") == []
