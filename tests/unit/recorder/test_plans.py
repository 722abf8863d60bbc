"""No question of a page, an export or the publisher reads through a large table: looked at in SQLite's own plan for each.

Every function that opens the records for reading is run here, on every branch that asks another question; each statement
that SQLite was given is collected, and its plan looked at. A function that is not run is named.
"""

from __future__ import annotations

import ast
import itertools
import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

import aoi_daemon
from aoi_daemon.hmi import web
from aoi_daemon.hmi.find import asked as filters_of
from aoi_daemon.hmi.find import read as find
from aoi_daemon.hmi.pages import alarms, rejects
from aoi_daemon.hmi.shifts import figures as shift_figures
from aoi_daemon.hmi.shifts import report as shift_report
from aoi_daemon.hmi.shifts.times import Shift
from aoi_daemon.publisher.source import Source
from aoi_daemon.publisher.stream import Cursor
from aoi_daemon.recorder.export.choice import Choice
from aoi_daemon.recorder.export.make import export
from aoi_daemon.records import database
from tests.records_at_size.make import TAKT_S, make

PARTS = 20_000
UNTIL = 1_795_348_800.0
SMALL = {"runs", "products", "fills", "CONSTANT", "gaps"}
NOT_PAGES = {
    # Offline commands that a person starts, on one part or on a choice that `Walk` reads.
    "engine/golden_parts/read.py:from_record", "recorder/commands/main.py:_replay",
    # One that is meant to read every row of the audit.
    "recorder/commands/audit.py:run",
    # Once at the daemon's start, the last thousand parts.
    "supervisor/proofs.py:_recorded",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make(tmp_path_factory.mktemp("line"), PARTS, until=UNTIL)


@pytest.fixture
def asked(monkeypatch):
    """`asked.statements`, and `asked.by`: who opened the records."""

    found = SimpleNamespace(statements=set(), by=set())
    connect = database._connect

    def watched(file, mode):
        frame = sys._getframe(2)
        root = Path(aoi_daemon.__file__).parent
        found.by.add(f"{Path(frame.f_code.co_filename).relative_to(root).as_posix()}:{frame.f_code.co_name}")
        connection = connect(file, mode)
        connection.set_trace_callback(found.statements.add)
        return connection

    monkeypatch.setattr(database, "_connect", watched)
    return found


def readers():
    """`file:function` of each that calls `open_reader`."""
    root = Path(aoi_daemon.__file__).parent
    for file in root.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                calls = (each for each in ast.walk(node) if isinstance(each, ast.Call))
                if any(isinstance(call.func, ast.Name) and call.func.id == "open_reader" for call in calls):
                    yield f"{file.relative_to(root).as_posix()}:{node.name}"


def tables(connection):
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def scanned(connection, statement):
    """The large tables that `statement` reads through from end to end, or sorts to give the first few."""
    alias = dict(re.findall(r"(?:FROM|JOIN)\s+(\w+)(?:\s+(?:AS\s+)?(?!WHERE|ON|JOIN|LEFT|CROSS|ORDER|GROUP|LIMIT)(\w+))?", statement))
    names = {short or table: table for table, short in alias.items()}
    found = []
    for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {statement}"):
        words = detail.split()
        if words[0] == "SCAN" and "VIRTUAL TABLE" not in detail and names.get(words[1], words[1]) not in SMALL and words[1] not in SMALL:
            found.append(detail)
        if detail == "USE TEMP B-TREE FOR ORDER BY" and "LIMIT" in statement:
            found.append(detail)
        if detail.startswith("AUTOMATIC"):
            found.append(detail)
    return found


def look_at_pages(folder):
    """Each page's reading, with each filter."""
    whole = Shift(UNTIL - PARTS * TAKT_S, UNTIL, "x")
    odd = Shift(whole.since + 7, UNTIL - 7, "x")
    for shift in (whole, odd):
        assert shift_figures.read_base(folder, "0" * 32, shift).parts > 0
        assert shift_report.read_report(folder, shift, UNTIL).account.counts.parts > 0
        assert "reject" in shift_report.read_csv(folder, shift, UNTIL, "line")
    for unreviewed in (True, False):
        first, problem = rejects.read_rejects(folder, None, unreviewed=unreviewed)
        assert not problem and (unreviewed or len(first) == rejects.SHOWN)
        rejects.read_rejects(folder, (UNTIL - 400, 10), unreviewed=unreviewed)
    newest = rejects.read_rejects(folder, None, unreviewed=False)[0][0][0]
    assert rejects.read_part(folder, newest.id) == newest
    assert web.read_picture(folder, newest.id, "frame", 64)
    assert alarms.read_history(folder, "0" * 32)
    look_for_parts(folder, newest.uid)


def look_for_parts(folder, uid):
    """Each filter of a search, alone and with a time, from the newest on and from a place on."""
    one_of_each = {"part": "7", "recipe": "board-a", "passed": "true", "class": "open", "reason": "LATE", "camera": "top", "view": "front", "score_min": "0.5"}
    each = [*one_of_each.items(), ("part", uid), ("passed", "false"), *(("review", which) for which in ("none", "any", "defect"))]
    for filters in ([], *([one] for one in each), list(one_of_each.items())):
        for time_ in ([], [("from", "2026-01-01"), ("to", "2030-01-01")]):
            for after in ([], [("after", f"{UNTIL - 100}_10_{PARTS}")]):
                find.read_found(folder, filters_of.read_asked([*filters, *time_, *after]), 2)
    assert find.read_known(folder).recipes and find.read_detail(folder, uid).part.uid == uid
    assert find.read_picture_of(folder, uid, find.read_detail(folder, uid).images[0].id)


def look_at_exports(folder, where):
    for number, (kind, only, recipe) in enumerate(
        itertools.product(("csv", "jsonl"), ("all", "rejects", "faults", "reviewed"), (None, "board-a"))
    ):
        done = export(folder, Choice(UNTIL - 500, UNTIL - 3, only, recipe), kind, where / f"{number}.{kind}")
        assert done.parts > 0
    assert export(folder, Choice(UNTIL - 60, UNTIL, "rejects"), "coco", where / "coco", unreviewed=True).parts > 0
    export(folder, Choice(single=str(PARTS)), "csv", where / "one.csv")
    export(folder, Choice(single=f"{1:032x}-7"), "jsonl", where / "one.jsonl")


def look_by_publisher(folder):
    source = Source(folder, "line", passes=True)
    for table in ("parts", "events"):
        assert source.first_since(table, UNTIL - 100) > 0
        source.belongs(table, Cursor(3, "x"))
    assert len(source.results(PARTS - 10, 100)) == 10
    source.alarms(3, 100)
    source.close()


def test_nothing_that_a_page_or_an_export_asks_reads_through_a_large_table(folder, asked, tmp_path):
    look_at_pages(folder)
    look_at_exports(folder, tmp_path)
    look_by_publisher(folder)
    assert asked.by == set(readers()) - NOT_PAGES, "somebody who reads the records is not looked at here"
    # One of each: lists of rows cut down, numbers away.
    texts = (re.sub(r"'\[[\d, ]*\]'", "'[1, 2]'", each) for each in asked.statements if each.lstrip().startswith("SELECT"))
    questions = {re.sub(r"\b\d+(\.\d+)?(e[+-]?\d+)?\b", "7", each): each for each in texts}.values()
    assert len(questions) > 25
    with closing(sqlite3.connect(folder / "records.sqlite")) as connection:
        plans = {question: scanned(connection, question) for question in questions}
    assert {question: plan for question, plan in plans.items() if plan} == {}


@pytest.mark.parametrize(
    "question",
    ["SELECT * FROM parts p WHERE p.passed = 0", "SELECT * FROM parts WHERE reason = 'LATE' LIMIT 1",
     "SELECT * FROM parts p JOIN images i ON i.part_id = p.id", "SELECT * FROM events ORDER BY kind, body",
     "SELECT p.id FROM parts p WHERE p.at > 5 ORDER BY p.sequence LIMIT 5"],
)  # fmt: skip
def test_what_reads_through_a_table_is_found(folder, question):
    """Else nothing above would be tried."""
    with closing(sqlite3.connect(folder / "records.sqlite")) as connection:
        assert scanned(connection, question)
