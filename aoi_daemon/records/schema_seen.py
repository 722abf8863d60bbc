"""Version 7 of the schema: what the parts of each quarter of an hour have; searches leave out quarters without it.

A few rows a quarter, kept by triggers as the figures are (`schema_figures`). Never too few: a row may outlast what it
was made for, until its quarter has no part any more.
"""

from __future__ import annotations

from typing import Final

from aoi_daemon.records.schema_figures import SLOT_S


def _slot(at: str) -> str:
    return f"CAST({at} / {SLOT_S} AS INTEGER)"


_SCORES: Final = (
    "ON CONFLICT (slot, what, name) DO UPDATE SET least = min(least, excluded.least), most = max(most, excluded.most)"
)


def _has(row: str) -> str:
    """What notes part `row` (new)."""
    return "".join(
        f"""
    INSERT INTO seen SELECT {_slot(f"{row}.at")}, '{what}', {row}.{what}, NULL, NULL WHERE {which}
    ON CONFLICT DO NOTHING;"""
        for what, which in (
            ("camera", "1"), ("view", f"{row}.view IS NOT NULL"), ("reason", f"NOT {row}.passed"),
        )
    )  # fmt: skip


def _defects(which: str) -> str:
    """What notes the defects of the parts `p` and defects `d` that are `which`."""
    return (
        f"INSERT INTO seen SELECT {_slot('p.at')}, 'class', d.class, min(d.score), max(d.score) "
        f"FROM parts p CROSS JOIN defects d ON d.part_id = p.id WHERE {which} GROUP BY 1, 3 {_SCORES}"
    )


SEEN: Final = f"""
-- What the parts of a slot, a quarter of an hour, have; of a class the scores, too.
CREATE TABLE seen (
    slot INTEGER NOT NULL,
    what TEXT NOT NULL,                 -- 'camera', 'view', 'reason' (of a reject), 'class' (of a recorded defect)
    name TEXT NOT NULL,
    least REAL,
    most REAL,
    PRIMARY KEY (slot, what, name)
) WITHOUT ROWID;
CREATE TRIGGER part_seen AFTER INSERT ON parts BEGIN{_has("new")}
END;
CREATE TRIGGER defect_seen AFTER INSERT ON defects BEGIN
    INSERT INTO seen SELECT {_slot("at")}, 'class', new.class, new.score, new.score FROM parts WHERE id = new.part_id
    {_SCORES};
END;
-- Nothing of the daemon does these two; a person with `sqlite3` may.
CREATE TRIGGER part_seen_again AFTER UPDATE OF at, camera, view, reason, passed ON parts BEGIN{_has("new")}
    {_defects("p.id = new.id")};
END;
CREATE TRIGGER defect_seen_again AFTER UPDATE ON defects BEGIN
    {_defects("p.id = new.part_id")};
END;
-- By the slot itself, and not by its times alone: one just before it may have been rounded up into it.
CREATE TRIGGER part_unseen AFTER DELETE ON parts WHEN NOT EXISTS (
    SELECT 1 FROM parts WHERE at >= {_slot("old.at")} * {SLOT_S} - 1 AND at < ({_slot("old.at")} + 1) * {SLOT_S} + 1
    AND {_slot("at")} = {_slot("old.at")}
) BEGIN
    DELETE FROM seen WHERE slot = {_slot("old.at")};
END;
"""

_THESE: Final = "p.id >= :low AND p.id < :below"
FILL_SEEN: Final = (
    *(
        f"INSERT INTO seen SELECT DISTINCT {_slot('p.at')}, '{what}', p.{what}, NULL, NULL FROM parts p "
        f"WHERE {_THESE} AND {which} ON CONFLICT DO NOTHING"
        for what, which in (("camera", "1"), ("view", "p.view IS NOT NULL"), ("reason", "NOT p.passed"))
    ),
    _defects(_THESE),
)
"""What notes the parts of ids from :low until before :below; once more does no harm."""
