"""Version 4 of the schema: figures of quarters of an hour, and the rejects that nobody has reviewed.

Kept by triggers, so that whoever writes or removes a part or a review (recorder, page, retention, a person with
`sqlite3`) keeps them right in the same transaction. A quarter, because every time zone and nearly every shift begins on
one: a shift's account is the sum of 32 rows and not of half a million.
"""

from __future__ import annotations

from typing import Final

SLOT_S: Final = 900
"""Seconds of a slot; slot n is from n * SLOT_S, Unix seconds."""
STEPS_PER_MS: Final = 100
"""Latencies are counted in steps of 0.01 ms."""


def _slot(at: str) -> str:
    return f"CAST({at} / {SLOT_S} AS INTEGER)"


def _step(latency_ms: str) -> str:
    return f"CAST({latency_ms} * {STEPS_PER_MS} AS INTEGER)"


def _counted(part_id: str) -> str:
    """Whether the figures have this part: those of an older version are counted bit by bit (`fills`)."""
    return f"{part_id} >= ifnull((SELECT below FROM fills WHERE name = 'figures'), 0)"


_REVIEWED: Final = (
    f"(slot, cause, is_class) = (SELECT {_slot('at')}, ifnull(worst_class, reason), worst_class IS NOT NULL "
    "FROM parts WHERE id = {part_id})"
)

_TABLES: Final = """
-- What is yet to be filled from the rows of an older version: those of ids below `below`; `top`: where that began.
CREATE TABLE fills (
    name TEXT PRIMARY KEY,
    below INTEGER NOT NULL,
    top INTEGER NOT NULL
) WITHOUT ROWID;

-- Figures of a slot, a quarter of an hour: floor(at / 900).
CREATE TABLE part_figures (
    slot INTEGER NOT NULL,
    product_id INTEGER NOT NULL REFERENCES products (id),
    parts INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    missed INTEGER NOT NULL,
    undelivered INTEGER NOT NULL,
    PRIMARY KEY (slot, product_id)
) WITHOUT ROWID;

CREATE TABLE reject_figures (
    slot INTEGER NOT NULL,
    cause TEXT NOT NULL,                -- the worst defect's class, else the reason
    is_class INTEGER NOT NULL,
    rejects INTEGER NOT NULL,           -- false calls among them
    false_calls INTEGER NOT NULL,
    confirmed INTEGER NOT NULL,
    PRIMARY KEY (slot, cause, is_class)
) WITHOUT ROWID;

CREATE TABLE latency_figures (
    slot INTEGER NOT NULL,
    step INTEGER NOT NULL,              -- of 0.01 ms, rounded down
    parts INTEGER NOT NULL,
    most_ms REAL NOT NULL,              -- of all that were ever counted in this step
    PRIMARY KEY (slot, step)
) WITHOUT ROWID;

-- Rejects without a review.
CREATE TABLE open_rejects (
    at REAL NOT NULL,
    part_id INTEGER NOT NULL,
    PRIMARY KEY (at, part_id)
) WITHOUT ROWID;
"""

_ADD_PARTS: Final = (
    "ON CONFLICT (slot, product_id) DO UPDATE SET parts = parts + excluded.parts, passed = passed + excluded.passed, "
    "missed = missed + excluded.missed, undelivered = undelivered + excluded.undelivered"
)
_ADD_REJECTS: Final = (
    "ON CONFLICT (slot, cause, is_class) DO UPDATE SET rejects = rejects + excluded.rejects, "
    "false_calls = false_calls + excluded.false_calls, confirmed = confirmed + excluded.confirmed"
)
_ADD_LATENCIES: Final = (
    "ON CONFLICT (slot, step) DO UPDATE SET parts = parts + excluded.parts, most_ms = max(most_ms, excluded.most_ms)"
)


def _comes(row: str, *, verdict: str = "NULL") -> str:
    """What counts part `row` (new); `verdict`: an expression for its review's."""
    return f"""
    INSERT INTO part_figures
    VALUES ({_slot(f"{row}.at")}, {row}.product_id, 1, {row}.passed, {row}.missed, {row}.latency_ms IS NULL)
    {_ADD_PARTS};
    INSERT INTO latency_figures
    SELECT {_slot(f"{row}.at")}, {_step(f"{row}.latency_ms")}, 1, {row}.latency_ms WHERE {row}.latency_ms IS NOT NULL
    {_ADD_LATENCIES};
    INSERT INTO reject_figures
    SELECT {_slot(f"{row}.at")}, ifnull({row}.worst_class, {row}.reason), {row}.worst_class IS NOT NULL, 1,
        ifnull({verdict} = 'false_call', 0), ifnull({verdict} = 'defect', 0) WHERE NOT {row}.passed
    {_ADD_REJECTS};
    INSERT INTO open_rejects SELECT {row}.at, {row}.id WHERE NOT {row}.passed AND {verdict} IS NULL;"""


def _goes(row: str, *, verdict: str = "NULL") -> str:
    """What takes part `row` (old) out of the figures again."""
    slot = f"slot = {_slot(f'{row}.at')}"
    product = f"{slot} AND product_id = {row}.product_id"
    step = f"{slot} AND step = {_step(f'{row}.latency_ms')}"
    cause = (
        f"NOT {row}.passed AND {slot} AND cause = ifnull({row}.worst_class, {row}.reason) "
        f"AND is_class = ({row}.worst_class IS NOT NULL)"
    )
    return f"""
    UPDATE part_figures SET parts = parts - 1, passed = passed - {row}.passed, missed = missed - {row}.missed,
        undelivered = undelivered - ({row}.latency_ms IS NULL) WHERE {product};
    DELETE FROM part_figures WHERE {product} AND parts = 0;
    UPDATE latency_figures SET parts = parts - 1 WHERE {step};
    DELETE FROM latency_figures WHERE {step} AND parts = 0;
    UPDATE reject_figures SET rejects = rejects - 1, false_calls = false_calls - ifnull({verdict} = 'false_call', 0),
        confirmed = confirmed - ifnull({verdict} = 'defect', 0) WHERE {cause};
    DELETE FROM reject_figures WHERE {cause} AND rejects = 0;
    DELETE FROM open_rejects WHERE at = {row}.at AND part_id = {row}.id;"""


_VERDICT: Final = "(SELECT verdict FROM reviews WHERE part_id = new.id)"
_TRIGGERS: Final = f"""
CREATE TRIGGER part_comes AFTER INSERT ON parts BEGIN{_comes("new")}
END;
-- Before, and its review first: what the review is counted under stands in the part's row.
CREATE TRIGGER part_goes BEFORE DELETE ON parts WHEN {_counted("old.id")} BEGIN
    DELETE FROM reviews WHERE part_id = old.id;{_goes("old")}
END;
-- Nothing of the daemon does this; a person with `sqlite3` may.
CREATE TRIGGER part_changes AFTER UPDATE OF at, product_id, passed, reason, worst_class, latency_ms, missed ON parts
WHEN {_counted("old.id")} BEGIN{_goes("old", verdict=_VERDICT)}{_comes("new", verdict=_VERDICT)}
END;

CREATE TRIGGER review_comes AFTER INSERT ON reviews WHEN {_counted("new.part_id")} BEGIN
    UPDATE reject_figures SET false_calls = false_calls + (new.verdict = 'false_call'),
        confirmed = confirmed + (new.verdict = 'defect')
    WHERE {_REVIEWED.format(part_id="new.part_id")};
    DELETE FROM open_rejects WHERE (at, part_id) = (SELECT at, id FROM parts WHERE id = new.part_id);
END;
CREATE TRIGGER review_changes AFTER UPDATE OF verdict ON reviews WHEN {_counted("new.part_id")} BEGIN
    UPDATE reject_figures
    SET false_calls = false_calls + (new.verdict = 'false_call') - (old.verdict = 'false_call'),
        confirmed = confirmed + (new.verdict = 'defect') - (old.verdict = 'defect')
    WHERE {_REVIEWED.format(part_id="new.part_id")};
END;
CREATE TRIGGER review_goes AFTER DELETE ON reviews WHEN {_counted("old.part_id")} BEGIN
    UPDATE reject_figures SET false_calls = false_calls - (old.verdict = 'false_call'),
        confirmed = confirmed - (old.verdict = 'defect')
    WHERE {_REVIEWED.format(part_id="old.part_id")};
    INSERT INTO open_rejects SELECT at, id FROM parts WHERE id = old.part_id AND NOT passed;
END;
"""

_INDEXES: Final = """
-- Alarms and stops are few among the events, and asked for by kind; the page has those of its own run from the ring.
CREATE INDEX events_by_kind ON events (kind, at, run_id);
"""

FIGURES: Final = _TABLES + _TRIGGERS + _INDEXES

_THESE: Final = "p.id >= :low AND p.id < :below"
FILL_FIGURES: Final = (
    f"INSERT INTO part_figures SELECT {_slot('p.at')}, p.product_id, count(*), sum(p.passed), sum(p.missed), "
    f"sum(p.latency_ms IS NULL) FROM parts p WHERE {_THESE} GROUP BY 1, 2 {_ADD_PARTS}",
    f"INSERT INTO latency_figures SELECT {_slot('p.at')}, {_step('p.latency_ms')}, count(*), max(p.latency_ms) "
    f"FROM parts p WHERE {_THESE} AND p.latency_ms IS NOT NULL GROUP BY 1, 2 {_ADD_LATENCIES}",
    f"INSERT INTO reject_figures SELECT {_slot('p.at')}, ifnull(p.worst_class, p.reason), p.worst_class IS NOT NULL, "
    "count(*), ifnull(sum(v.verdict = 'false_call'), 0), ifnull(sum(v.verdict = 'defect'), 0) "
    "FROM parts p LEFT JOIN reviews v ON v.part_id = p.id "
    f"WHERE {_THESE} AND NOT p.passed GROUP BY 1, 2, 3 {_ADD_REJECTS}",
    "INSERT INTO open_rejects SELECT p.at, p.id FROM parts p "
    f"WHERE {_THESE} AND NOT p.passed AND NOT EXISTS (SELECT 1 FROM reviews v WHERE v.part_id = p.id)",
)
"""What counts the parts of ids from :low until before :below, of which the figures have none."""
