"""`python -m tests.power.desk LINE LOG SECONDS`: what people and the publisher write beside a line, again and again.

It runs under write_log.c. After each act it marks in the log what has been confirmed: whoever asked for it has been told
that it is done. Before an act that replaces a file it marks what the file may hold from then on.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from aoi_daemon.engine.build.plan import write_plan
from aoi_daemon.files import replace_file
from aoi_daemon.golden import store
from aoi_daemon.hmi.access.users import Role, User, change_users
from aoi_daemon.publisher.cursor import CursorFile
from aoi_daemon.publisher.stream import Cursor
from aoi_daemon.records.database import RecordsError, open_writer
from aoi_daemon.records.reviews import review
from aoi_daemon.stage.control import request
from aoi_daemon.supervisor.product import Kept, ProductFile
from tests.power.disk import mark

PASSWORD = f"scrypt$14$8$1${'A' * 22}==${'A' * 43}="
"""Of the kind that is kept; of no password."""
SETTLED_S = 2.0
"""The daemon keeps the product in use from a thread of its own: it says so to nobody, and has it long before this."""


def sha(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


class Desk:
    """One round of each act at a time."""

    def __init__(self, line: Path, log: Path) -> None:
        self.line, self.log, self.records = line, log, line / "records"
        self.product = line / "state" / "aoi-daemon-line-1.product"
        self.seen_product = (b"", 0.0)
        self.changed_at_s = time.monotonic()

    def replaced(self, name: str, act) -> None:
        """`act` replaces the file `name`, and comes back when that is done."""
        mark(self.log, {"begun": name})
        act()
        mark(self.log, {"done": name, "sha256": sha(self.line / name)})

    def rows(self) -> None:
        """Whatever a reader sees has been said to be recorded."""
        try:
            connection = open_writer(self.records)
        except RecordsError:
            return
        with closing(connection):
            (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM parts").fetchone()
            (event,) = connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()
            mark(self.log, {"parts": last, "events": event})
            row = connection.execute(
                "SELECT id FROM parts WHERE passed = 0 AND id NOT IN (SELECT part_id FROM reviews) ORDER BY id LIMIT 1"
            ).fetchone()
            if row is not None:
                review(connection, row[0], "defect", by="anna", at=time.time())
                mark(self.log, {"review": row[0]})
        with CursorFile(self.records) as cursor:
            cursor.write("results", Cursor(last, f"key-{last}"))

    def product_in_use(self) -> None:
        """Change over now and then; what the daemon keeps of it is confirmed once it has had its time."""
        now = time.monotonic()
        if now - self.changed_at_s > 1.2 * SETTLED_S:
            self.changed_at_s = now
            in_use = request(self.line / "control.sock", {"do": "status"})[0]["status"]["recipe"]
            mark(self.log, {"begun": "state/aoi-daemon-line-1.product"})
            request(self.line / "control.sock", {"do": "recipe", "id": "demo" if in_use == "other" else "other"}, 60)
        content = self.product.read_bytes() if self.product.exists() else b""
        if content != self.seen_product[0]:
            self.seen_product = (content, now)
        elif content and now - self.seen_product[1] > SETTLED_S / 2:
            mark(self.log, {"done": "state/aoi-daemon-line-1.product", "sha256": hashlib.sha256(content).hexdigest()})
            self.seen_product = (content, float("inf"))

    def round(self, number: int) -> None:
        """Everybody once."""
        self.rows()
        self.product_in_use()

        def users(users: dict[str, User]) -> None:
            users[f"user{number}"] = User(f"user{number}", Role.OPERATOR, PASSWORD)
            users.pop(f"user{number - 5}", None)

        self.replaced("users.toml", lambda: change_users(self.line / "users.toml", users))
        self.golden(number)
        kept = Kept(recipe="demo", start="demo", asked=number % 1000)

        def product() -> None:
            file = ProductFile(self.line / "state" / "desk.product", None)
            file.write(kept)
            file.close()

        self.replaced("state/desk.product", product)
        # An edit of a TOML file as `files.replace_file` does it for whoever edits one.
        self.replaced(
            "notes.toml", lambda: replace_file(self.line / "notes.toml", f"edit = {number}\n".encode() * (number % 700 + 1))
        )
        plan = self.line / "engines" / f"{number // 4}" / "fp32.plan"
        manifest = SimpleNamespace(model_dump_json=lambda indent: f'{{"number": {number}}}')
        write_plan(SimpleNamespace(file=plan, content=bytes([number % 256]) * 9000, manifest=manifest))
        mark(self.log, {"plan": plan.relative_to(self.line).as_posix(), "number": number})

    def golden(self, number: int) -> None:
        folder = self.line / "recipes" / "spare.golden"
        image = np.random.default_rng(number).integers(0, 255, (64, 64, 1), np.uint8)
        mark(self.log, {"begun": "recipes/spare.golden/manifest.json"})
        parts = store.add(
            folder, [store.NewPart(f"part{number}", image, None, True, 0, (), "desk")], by="desk", when="2026-01-01T00:00:00Z"
        )
        if number > 3:
            store.remove(folder, [f"part{number - 3}"])
        assert parts
        mark(self.log, {"done": "recipes/spare.golden/manifest.json", "sha256": sha(folder / "manifest.json")})


def main(line: Path, log: Path, seconds: float) -> None:
    desk, until = Desk(line, log), time.monotonic() + seconds
    for number in itertools.count(1):
        desk.round(number)
        if time.monotonic() > until:
            break
        # In the rhythm of the recorder, so that cuts fall into the one's work and the other's.
        time.sleep(0.03)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
