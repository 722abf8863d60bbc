"""How documents are read: what counts as a link, a heading and a command."""

from __future__ import annotations

import pytest

from tests.architecture import documents as docs


@pytest.fixture
def document(tmp_path):
    def written(text):
        (tmp_path / "there.md").write_text("# Title\n## With `code` and a [link](x)\n### What, really?\n### What, really?\n")
        (tmp_path / "this.md").write_text(text)
        return tmp_path / "this.md"

    return written


def test_a_link_to_no_file_and_one_to_no_heading_are_broken(document):
    text = (
        "# Here\n[a](there.md) [b](there.md#title) [c](#here) [d](https://x.example) [e](there.md#with-code-and-a-link)\n"
        "[f](there.md#what-really) [g](there.md#what-really-1) `[no](link)`\n```\n[no](link)\n# no heading\n```\n"
    )
    assert docs.broken_links(document(text)) == []
    text += "![h](gone.png) [i](there.md#gone) [j](#no-heading) [k](there.md#what-really-2)\n"
    assert docs.broken_links(document(text)) == ["gone.png", "there.md#gone", "#no-heading", "there.md#what-really-2"]


def test_a_block_of_shell_is_taken_apart_into_commands(document):
    found = docs.commands(document(
        "```sh\nsudo VAR=1 aoi-daemon user add anna    # a comment\naoi-daemon plc-program > aoi.st && ./tools/demo --parts 3 | jq .\n"
        "aoi-daemon clock --confirm \"anna, I's looked\"\npython -m tools.reference --x \\\n    --y\n/opt/x/bin/aoi-daemon status\n```\n"
        "```\naoi-daemon no\n```\n```console\n$ aoi-daemon status\naoi-daemon: an answer\n```\n"
    ))  # fmt: skip
    assert [(each.program, each.arguments) for each in found] == [
        ("aoi-daemon", ["user", "add", "anna"]),
        ("aoi-daemon", ["plc-program"]),
        ("tools/demo", ["--parts", "3"]),
        ("jq", ["."]),
        ("aoi-daemon", ["clock", "--confirm", "anna, I's looked"]),
        ("-m tools.reference", ["--x", "--y"]),
        ("aoi-daemon", ["status"]),
        ("aoi-daemon", ["status"]),
    ]
    assert found[0].where == "this.md:2"


def test_a_command_outside_of_such_a_block_is_found(document):
    text = "text\n\n    ./tools/demo\n\n```\nsudo aoi-daemon status\n```\n\n```toml\nx = 1\n```\n"
    assert [line.partition(": ")[0] for line in docs.unmarked(document(text))] == ["this.md:3", "this.md:6"]


def test_a_command_in_a_sentence_is_taken_until_it_becomes_a_sketch(document):
    found = docs.inline_commands(document("Say `aoi-daemon export --format csv|jsonl --only x`, `aoi-daemon`, `tools/test --long`, `x y`.\n"))
    assert [(each.program, each.arguments) for each in found] == [("aoi-daemon", ["export", "--format", "csv"]), ("tools/test", ["--long"])]


def test_the_examples_of_a_help_are_commands(document):
    text = "examples:\n  aoi-daemon status --json | jq .x     words\n  sudo -u aoi aoi-daemon notices test    words\n  aoi-daemon a \\\n    --b\n\nwords\n"
    assert [each.arguments for each in docs.examples(text)] == [["status", "--json"], ["notices", "test"], ["a", "--b"]]
