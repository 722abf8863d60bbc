"""The tables of the records database, and its version.

A part's row is written for every part that passes the line, so it is kept small: what is the same for
millions of parts (the run, the recipe with its bundle) stands once in a table of its own. The view
`part_list` joins them again for whoever reads the database with another program.
"""

from __future__ import annotations

from typing import Final

from aoi_daemon.records.audit import CHAIN
from aoi_daemon.records.schema_figures import FIGURES
from aoi_daemon.records.schema_seen import SEEN

APPLICATION_ID: Final = 0x414F4944
"""`AOID`: what `file` and `PRAGMA application_id` tell this database by."""
SCHEMA_VERSION: Final = 7
"""In `PRAGMA user_version`; counts up with every change of the tables. 2: `trigger_id`, `bypassed`; 3: `proof`;
4: figures, and `fills`; 5: the audit's chain; 6: `view`; 7: `seen`. The way from one to the next: `versions`."""

_TABLES: Final = """
-- One start of the daemon.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    run TEXT NOT NULL UNIQUE,           -- 32 hex digits
    line TEXT NOT NULL,
    at REAL NOT NULL                    -- when the recorder first saw it, UTC, Unix seconds
);

-- What parts were judged by: a recipe together with the bundle that it was judged with.
CREATE TABLE products (
    id INTEGER PRIMARY KEY,
    recipe_id INTEGER NOT NULL,
    recipe TEXT NOT NULL,
    bundle TEXT NOT NULL,               -- the first 16 hex digits of the manifest's SHA-256; '' for none
    classes TEXT NOT NULL,              -- JSON list in the model's order
    px_per_mm REAL NOT NULL,
    UNIQUE (recipe_id, recipe, bundle, classes, px_per_mm)
);

CREATE TABLE parts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    part INTEGER NOT NULL,              -- counts from 1 in its run
    at REAL NOT NULL,                   -- of the verdict, UTC, Unix seconds; *_ns are CLOCK_MONOTONIC
    camera TEXT NOT NULL,               -- whose view decided
    fov INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    product_id INTEGER NOT NULL REFERENCES products (id),
    passed INTEGER NOT NULL,
    reason TEXT NOT NULL,
    defect_count INTEGER NOT NULL,
    worst_class TEXT,
    offset_x INTEGER NOT NULL,          -- 0.01 mm
    offset_y INTEGER NOT NULL,
    trigger_ns INTEGER NOT NULL,
    ready_ns INTEGER NOT NULL,
    deadline_ns INTEGER NOT NULL,
    picked_ns INTEGER NOT NULL,
    inferred_ns INTEGER NOT NULL,
    judged_ns INTEGER NOT NULL,
    sent_ns INTEGER NOT NULL,
    answered_ns INTEGER NOT NULL,
    latency_ms REAL,                    -- NULL: not delivered
    delivered INTEGER NOT NULL,
    missed INTEGER NOT NULL,
    trigger_id INTEGER NOT NULL DEFAULT 0, -- the PLC's number of the trigger; 0: not known
    bypassed INTEGER NOT NULL DEFAULT 0, -- 1: the PLC let parts go whatever their verdict
    proof INTEGER,                      -- of the product: 0 not proven, 1 proven, 2 accepted, 3 upgraded; NULL: unknown
    -- Name of the view that decided; NULL: the recipe names no views.
    view TEXT
);
CREATE UNIQUE INDEX parts_by_number ON parts (run_id, part);
-- Covers counts, rejects by the hour and latencies, which the page asks for again and again.
CREATE INDEX parts_by_time ON parts (at, passed, missed, latency_ms);
CREATE INDEX parts_rejected ON parts (at, reason, worst_class) WHERE passed = 0;

CREATE TABLE defects (
    part_id INTEGER NOT NULL REFERENCES parts (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,            -- from 1, worst first
    class TEXT NOT NULL,
    score REAL NOT NULL,
    x1 REAL NOT NULL, y1 REAL NOT NULL, x2 REAL NOT NULL, y2 REAL NOT NULL,
    PRIMARY KEY (part_id, number)
) WITHOUT ROWID;

CREATE TABLE images (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    part_id INTEGER REFERENCES parts (id) ON DELETE SET NULL,
    around_id INTEGER REFERENCES parts (id) ON DELETE SET NULL, -- 'around': the part with the fault
    at REAL NOT NULL,
    camera TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('frame', 'template', 'context')),
    why TEXT NOT NULL CHECK (why IN ('reject', 'fault', 'sample', 'around')),
    cause TEXT NOT NULL,                -- 'around': the fault's reason, or the alarm
    file TEXT NOT NULL,                 -- relative to the records folder
    bytes INTEGER NOT NULL,
    width_px INTEGER NOT NULL,
    height_px INTEGER NOT NULL
);
CREATE INDEX images_of_part ON images (part_id) WHERE part_id IS NOT NULL;
CREATE INDEX images_around ON images (around_id) WHERE around_id IS NOT NULL;
CREATE INDEX images_by_time ON images (at);
-- A template's file is shared by all parts that were compared with it.
CREATE INDEX images_of_template ON images (file) WHERE kind = 'template';

CREATE TABLE reviews (
    part_id INTEGER PRIMARY KEY REFERENCES parts (id) ON DELETE CASCADE,
    at REAL NOT NULL,
    by TEXT NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('defect', 'false_call')),
    note TEXT NOT NULL
);
-- Every tap, also those that a later one replaced or withdrew (verdict NULL).
CREATE TABLE review_log (
    id INTEGER PRIMARY KEY,
    part_id INTEGER NOT NULL REFERENCES parts (id) ON DELETE CASCADE,
    at REAL NOT NULL,
    by TEXT NOT NULL,
    verdict TEXT,
    note TEXT NOT NULL
);
CREATE INDEX review_log_of_part ON review_log (part_id);

CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    number INTEGER NOT NULL,            -- counts from 1 in its run
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL                  -- JSON object
);
CREATE UNIQUE INDEX events_by_number ON events (run_id, number);
CREATE INDEX events_by_time ON events (at);

-- What was lost: parts without a row ('rows'), or without the picture that they should have had ('images').
CREATE TABLE gaps (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    what TEXT NOT NULL CHECK (what IN ('rows', 'images')),
    first_part INTEGER NOT NULL,
    last_part INTEGER NOT NULL,
    parts INTEGER NOT NULL,             -- how many of them
    at REAL NOT NULL,
    why TEXT NOT NULL
);
CREATE INDEX gaps_by_time ON gaps (at);
"""
PART_LIST: Final = """
CREATE VIEW part_list AS
SELECT p.id, r.run || '-' || p.part AS uid, r.run, r.line, p.part, p.at, p.camera, p.fov, p.sequence,
       d.recipe_id, d.recipe, d.bundle, d.px_per_mm, p.passed, p.reason, p.defect_count, p.worst_class,
       p.offset_x, p.offset_y, p.trigger_ns, p.ready_ns, p.deadline_ns, p.picked_ns, p.inferred_ns,
       p.judged_ns, p.sent_ns, p.answered_ns, p.latency_ms, p.delivered, p.missed, p.trigger_id, p.bypassed,
       p.proof, p.view
FROM parts p JOIN runs r ON r.id = p.run_id JOIN products d ON d.id = p.product_id;
"""
SCHEMA: Final = _TABLES + PART_LIST + FIGURES + CHAIN + SEEN
