"""From each older version of the schema to the next one.

A step has two parts. FORWARD is quick whatever the size, one transaction while the records are opened: it adds columns,
tables, triggers, and indexes on tables that are small; it writes no row of a large table. FILLS says how a table
that was added is filled from the rows that are there: in bites, newest first, while parts are recorded (`fills`). So a
database of 10 million parts is brought forward where it is, with parts being recorded meanwhile.

To add version N: change SCHEMA and count up SCHEMA_VERSION in `schema`; add FORWARD[N - 1]; add what is missing to each
AS_NOW; and where rows must be worked through, a row of `fills` in FORWARD and the statements in FILLS.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from aoi_daemon.records.audit import CHAIN, NO_CHAIN
from aoi_daemon.records.schema import PART_LIST
from aoi_daemon.records.schema_figures import FIGURES, FILL_FIGURES
from aoi_daemon.records.schema_seen import FILL_SEEN, SEEN


class Fill(NamedTuple):
    """How the rows of `table` are worked through. Each statement takes ids from :low until before :below."""

    table: str
    statements: tuple[str, ...]


FORWARD: Final = {
    1: """
ALTER TABLE parts ADD COLUMN trigger_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE parts ADD COLUMN bypassed INTEGER NOT NULL DEFAULT 0;
""",
    2: "ALTER TABLE parts ADD COLUMN proof INTEGER;",
    3: f"""
{FIGURES}
INSERT INTO fills SELECT 'figures', id + 1, id + 1 FROM parts ORDER BY id DESC LIMIT 1;
""",
    4: CHAIN,
    5: f"""
ALTER TABLE parts ADD COLUMN view TEXT;
DROP VIEW part_list;
{PART_LIST}""",
    6: f"""
{SEEN}
INSERT INTO fills SELECT 'seen', id + 1, id + 1 FROM parts ORDER BY id DESC LIMIT 1;
""",
}
"""From each older version to the next one, all that are due in one transaction. An added column's default stands in the
table's definition. The view is made anew by the last step that changes it alone."""

FILLS: Final = {"figures": Fill("parts", FILL_FIGURES), "seen": Fill("parts", FILL_SEEN)}
"""By the name that FORWARD puts into `fills`."""

_NO_VIEW: Final = "CREATE TEMP VIEW parts AS SELECT *, NULL AS view FROM main.parts;"
_NO_FIGURES: Final = """
CREATE TEMP VIEW fills AS SELECT 'figures' AS name, 0 AS below, 1 AS top UNION ALL SELECT 'seen', 0, 1;
CREATE TEMP VIEW open_rejects AS SELECT at, id AS part_id FROM main.parts p
WHERE passed = 0 AND NOT EXISTS (SELECT 1 FROM main.reviews v WHERE v.part_id = p.id);
"""
_NOT_SEEN: Final = "CREATE TEMP VIEW fills AS SELECT * FROM main.fills UNION ALL SELECT 'seen', 0, 1;"
AS_NOW: Final = {
    1: "CREATE TEMP VIEW parts AS "
    "SELECT *, 0 AS trigger_id, 0 AS bypassed, NULL AS proof, NULL AS view FROM main.parts;"
    + _NO_FIGURES
    + NO_CHAIN,
    2: "CREATE TEMP VIEW parts AS SELECT *, NULL AS proof, NULL AS view FROM main.parts;" + _NO_FIGURES + NO_CHAIN,
    3: _NO_VIEW + _NO_FIGURES + NO_CHAIN,
    4: _NO_VIEW + NO_CHAIN + _NOT_SEEN,
    5: _NO_VIEW + _NOT_SEEN,
    6: _NOT_SEEN,
}
"""For a connection that can only read: what an older version lacks, under the names that queries ask for."""
