"""A line's files in a folder, without a line."""

from __future__ import annotations

import json
import os
from contextlib import closing

import pytest
import tomli_w

from aoi_daemon.cli import main
from aoi_daemon.records.database import open_writer, writing


class Pc:
    """A PC: line.toml with a recipe, a bundle, users, records and the product in use, each where a test wants it."""

    def __init__(self, folder, *, config="etc", records="data/records", bundle="srv/bundle", users="etc/users.toml", state="data", absolute=True) -> None:
        self.folder = folder
        self.config = folder / config / "line.toml"
        self.records, self.bundle, self.users, self.state = (folder / each for each in (records, bundle, users, state))
        for path in (self.config.parent / "recipes", self.bundle, self.users.parent, self.state, folder / "boards"):
            path.mkdir(parents=True, exist_ok=True)
        (self.bundle / "manifest.json").write_text('{"of": "bundle"}')
        (self.bundle / "fp32.onnx").write_bytes(os.urandom(1000))
        (folder / "boards" / "a.png").write_bytes(b"picture")
        self.users.write_text("# users\n")
        self.users.chmod(0o600)
        self.named = (lambda path, at: str(path)) if absolute else os.path.relpath
        here = self.config.parent
        line = {
            "cameras": [{"kind": "replay", "source": self.named(folder / "boards", here)}],
            "recorder": {"folder": self.named(self.records, here)},
            "hmi": {"users": self.named(self.users, here)},
            "supervisor": {"state_folder": self.named(self.state, here), "socket": str(folder / "aoi.sock")},
        }
        recipe = {"id": 1, "name": "demo", "bundle": self.named(self.bundle, here / "recipes"), "width_px": 64, "height_px": 64}
        self.config.write_text("# a person's comment\n" + tomli_w.dumps(line))
        (here / "recipes" / "demo.toml").write_text(tomli_w.dumps(recipe))
        golden = here / "recipes" / "demo.golden"
        golden.mkdir()
        (golden / "manifest.json").write_text("{}")
        (self.state / "aoi.product").write_text(json.dumps({"recipe": "demo", "start": "demo"}))
        self.record(5)

    def record(self, parts: int) -> None:
        """`parts` rows, an hour apart, every second with a picture; and what else a records folder may hold."""
        with closing(open_writer(self.records, create=True)) as connection, writing(connection):
            connection.execute("INSERT OR IGNORE INTO runs (id, run, line, at) VALUES (1, 'r', 'l', 0)")
            connection.execute("INSERT OR IGNORE INTO products VALUES (1, 1, 'demo', '', '[]', 1)")
            columns = [row[1] for row in connection.execute("PRAGMA table_info(parts)") if row[3] and not row[5]]
            (last,) = connection.execute("SELECT count(*) FROM parts").fetchone()
            for number in range(last + 1, last + parts + 1):
                values = dict.fromkeys(columns, 0) | {"part": number, "at": 3600.0 * number, "run_id": 1, "product_id": 1, "camera": "c", "reason": "R"}
                names = ", ".join(values)
                part = connection.execute(f"INSERT INTO parts ({names}) VALUES ({', '.join('?' * len(values))})", [*values.values()]).lastrowid
                if number % 2:
                    file = f"images/1970-01-01/{number % 24:02d}/{number}.png"
                    (self.records / file).parent.mkdir(parents=True, exist_ok=True)
                    (self.records / file).write_bytes(b"picture %d" % number)
                    connection.execute(
                        "INSERT INTO images (part_id, at, camera, kind, why, cause, file, bytes, width_px, height_px) VALUES (?, ?, 'c', 'frame', 'reject', '', ?, 9, 1, 1)",
                        (part, 3600.0 * number, file),
                    )
        (self.records / "clock.json").write_text("{}")
        (self.records / "incoming").mkdir(exist_ok=True)
        (self.records / "incoming" / "list").write_text("half")

    def backup(self, out, *more) -> int:
        return main(["backup", str(out), "--config", str(self.config), "--mb-per-s", "1000", *map(str, more)])


@pytest.fixture
def pc(tmp_path):
    return Pc(tmp_path / "pc")


@pytest.fixture(autouse=True)
def _nice(monkeypatch):
    """The process that tests keeps its priority; no other test is to run slowly."""
    monkeypatch.setattr(os, "nice", lambda _step: 0)
