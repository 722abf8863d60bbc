"""`inspection.backend = "auto"` on a real line: it chooses, says so, and is back after a kill without measuring again."""

import json
import os
import signal
from contextlib import closing

from aoi_daemon.records.database import open_reader
from aoi_daemon.records.queries import events
from aoi_daemon.stage.control import request

AUTO = {"backend": "auto", "precision": "auto", "threads": 1}


def said(line, event):
    """The lines of the log with this event."""
    rows = [row[3:] for row in line.daemon.log_file.read_text().splitlines() if f'"event": "{event}"' in row]
    return [json.loads(row) for row in rows]


def reload(line, **section):
    line.daemon.line["inspection"] = section
    line.daemon.write_config()
    answer = request(line.daemon.socket, {"do": "reload"}, 90.0)[0]
    assert answer["ok"], answer


def engine(line):
    return line.daemon.status()["engine"]


def test_auto_chooses_says_so_and_is_back_after_a_kill_with_what_it_chose(line, tmp_path):
    """Named and back by a reload too; each part's executor is found in the records."""
    running = line(
        inspection=AUTO, takt_ms=100.0, supervisor={"state_folder": str(tmp_path)}, recorder={"folder": str(tmp_path / "records")}
    )
    shown = running.daemon.status()
    chosen = shown["engine"]["name"]
    assert chosen in ("onnx fp32", "openvino fp32")
    assert "golden parts hold" in shown["engine"]["why"]
    assert "bf16: not qualified in the bundle" in shown["engines"]
    tried = {row["engine"]: row for row in said(running, "engine_trial")}
    assert tried[chosen]["p95_ms"] > 0 and "onnx fp32" in tried
    assert (tmp_path / "aoi-daemon-demo.engines").is_file()

    killed_ns = running.now_ns()
    os.kill(running.stage("inspection"), signal.SIGKILL)
    drop_ms = running.first("not_ready", killed_ns)
    running.first("ready", killed_ns + int(drop_ms * 1e6), 60)
    assert engine(running) == shown["engine"]
    assert len(said(running, "engines_measured")) == 1, "a restart after a crash measures nothing"

    reload(running, backend="onnx", precision="fp32", threads=1)
    assert engine(running) == {"name": "onnx fp32", "why": "named in [inspection]"}
    reload(running, **AUTO)
    assert engine(running) == shown["engine"]
    assert len(said(running, "engines_measured")) == 1
    running.wait_parts(2)
    running.no_unproven_pass()

    assert running.daemon.stop() == 0
    with closing(open_reader(tmp_path / "records")) as connection:
        recorded = [event.body["name"] for event in reversed(events(connection, "engine", 0, 10))]
    assert recorded == [chosen, chosen, "onnx fp32", chosen]
