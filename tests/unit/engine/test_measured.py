"""`aoi-daemon engines`."""

import json

import pytest

from aoi_daemon import cli
from aoi_daemon.engine import measured as command
from aoi_daemon.inspection.auto import told
from aoi_daemon.inspection.auto.choice import Candidate, Row, Table
from tests.unit.supervisor.conftest import ROOT

CONFIG = str(ROOT / "config" / "line.toml")
FAST = Row(name="openvino int8", candidate=Candidate(backend="openvino", precision="int8"), p95_ms=5.44)
WRONG = Row(name="onnx int8", candidate=Candidate(backend="onnx", precision="int8"), why="golden parts do not hold: g")


@pytest.fixture
def table(monkeypatch):
    """What is measured, in place of a measurement."""
    rows = [FAST, WRONG]
    monkeypatch.setattr(command.os, "nice", lambda _: 0)

    def measured(configuration, product, view, begin, total_s):
        begin("onnx int8")
        return Table(rows=tuple(rows)), next((row for row in rows if row.holds), None)

    monkeypatch.setattr(told, "measured", measured)
    return rows


def test_the_table_is_shown_and_the_one_that_auto_takes_is_marked(table, capsys):
    assert cli.main(["engines", "--config", CONFIG]) == 0
    out, err = capsys.readouterr()
    assert "* openvino int8            5.4 ms  golden parts hold" in out
    assert "  onnx int8                     -  golden parts do not hold: g" in out
    assert "measuring onnx int8" in err


def test_the_same_for_scripts(table, capsys):
    assert cli.main(["engines", "--config", CONFIG, "--json", "--recipe", "demo"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["recipe"], found["chosen"], len(found["rows"])) == ("demo", "openvino int8", 2)


def test_where_none_holds_it_says_so_and_fails(table, capsys):
    table.remove(FAST)
    assert cli.main(["engines", "--config", CONFIG]) == 1
    assert "none holds the golden parts: auto takes the reference" in capsys.readouterr().out


def test_a_recipe_or_a_file_that_is_not_there_is_named(table, capsys, tmp_path):
    assert cli.main(["engines", "--config", CONFIG, "--recipe", "lid"]) == 2
    assert "--recipe lid: there is no such recipe" in capsys.readouterr().err
    assert cli.main(["engines", "--config", str(tmp_path / "none.toml")]) == 2
    assert "none.toml" in capsys.readouterr().err

