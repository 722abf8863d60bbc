"""`aoi-daemon token`: what it changes, prints and refuses, and that the audit is told."""

from __future__ import annotations

import argparse

import pytest

from aoi_daemon.hmi.access import token_command
from aoi_daemon.hmi.access.tokens import name_of, read_tokens


@pytest.fixture
def command(tmp_path, monkeypatch):
    config = tmp_path / "line.toml"
    config.write_text(f'[supervisor]\nsocket = "{tmp_path / "control.sock"}"\n')

    def run(*words: str) -> int:
        top = argparse.ArgumentParser()
        token_command.add_parsers(top.add_subparsers(dest="command"))
        return token_command.run(top.parse_args(["token", *words, "--config", str(config)]))

    return run


def test_a_token_is_printed_once_works_and_is_removed(command, daemon, tmp_path, capsys):
    assert command("add", "mes") == 0
    out, err = capsys.readouterr()
    token = out.strip()
    assert out == f"{token}\n" and "shown once" in err and "note" not in err
    assert name_of(token, read_tokens(tmp_path / "tokens.toml")) == "mes"
    assert command("list") == 0
    assert capsys.readouterr().out == "mes\n"
    assert command("remove", "mes") == 0
    assert read_tokens(tmp_path / "tokens.toml") == {}
    assert [(each["what"], each["detail"]) for each in daemon.of("audit")] == [("token", "added mes"), ("token", "removed mes")]
    assert token not in str(daemon.asked)


def test_what_is_refused_changes_nothing(command, daemon, tmp_path, capsys):
    command("add", "mes")
    kept = (tmp_path / "tokens.toml").read_text()
    capsys.readouterr()
    for words, code, said in (
        (("add", "MES"), 1, "there is a token"), (("add", "a b"), 2, "letters, digits"), (("remove", "other"), 1, "there: mes"),
    ):  # fmt: skip
        assert command(*words) == code, words
        out, err = capsys.readouterr()
        assert said in err and out == "", words
    assert (tmp_path / "tokens.toml").read_text() == kept
    assert len(daemon.of("audit")) == 1


def test_where_no_daemon_runs_it_says_that_the_audit_has_nothing(command, capsys):
    assert command("add", "mes") == 0
    assert "this is not in the audit" in capsys.readouterr().err


def test_a_line_that_is_not_there_is_named(tmp_path, capsys):
    top = argparse.ArgumentParser()
    token_command.add_parsers(top.add_subparsers(dest="command"))
    assert token_command.run(top.parse_args(["token", "list", "--config", str(tmp_path / "none.toml")])) == 2
    assert "none.toml" in capsys.readouterr().err
