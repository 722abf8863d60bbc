"""The map as who writes the PLC's program gets it: its version 2 in full, every address, type and direction."""

from __future__ import annotations

import csv
import io

import pytest

from aoi_daemon.config.schema import PlcSection
from aoi_daemon.plcmap.registers import Field
from aoi_daemon.plcmap.table import as_csv, type_of

OUT, IN = "daemon to PLC", "PLC to daemon"
NAMES = "PASS REJECT ALARM READY HEARTBEAT RESULT_TOGGLE RUN_PERMIT OVERRUN SEQ0 SEQ1 SEQ2 SEQ3 SEQ4 SEQ5 SEQ6 SEQ7"
REPORT = """
    0 map_version    1 UINT
    1 heartbeat      1 UINT
    2 trigger_id     2 UDINT
    4 verdict        1 UINT
    5 defect_class   1 INT
    6 defect_count   1 UINT
    7 latency        1 UINT
    8 recipe         1 UINT
    9 error_code     1 UINT
    10 flags         1 UINT
    11 offset_x      1 INT
    12 offset_y      1 INT
    13 reject_rate   1 UINT
    14 frequent_class 1 INT
    15 sequence      1 UINT
"""
POLL = """
    0 status         1 UINT
    1 trigger_id     2 UDINT
    3 result_ack     1 UINT
    4 recipe_request 1 UINT
    5 acted_on       1 UINT
    6 reserved       2 UDINT
"""


def read(plc):
    """The rows of the CSV by its head line, without the meanings."""
    rows = list(csv.DictReader(io.StringIO(as_csv(plc))))
    assert all(row.pop("meaning") for row in rows)
    return [tuple(row.values()) for row in rows]


def expected(coil_base, report_base, poll_base):
    for offset, name in enumerate(NAMES.split()):
        yield ("coils", OUT, "coil", str(offset), str(coil_base + offset), name, "", "BOOL")
    for block, way, table, base in (("report", OUT, REPORT, report_base), ("poll", IN, POLL, poll_base)):
        for line in table.strip().splitlines():
            offset, name, words, kind = line.split()
            address = "" if base is None else str(base + int(offset))
            yield (block, way, "holding register", offset, address, name, words, kind)


@pytest.mark.parametrize(
    ("report_base", "poll_base"), [(None, None), (0, None), (None, 0), (200, 300)], ids=lambda base: f"base {base}"
)
def test_the_csv_is_the_map_and_a_block_that_is_not_switched_on_has_no_address(report_base, poll_base):
    """A change here is another map: PLC programs that run refuse it only if MAP_VERSION goes up with it."""
    blocks = {"registers": report_base, "poll": poll_base}
    on = {name: {"base": base} for name, base in blocks.items() if base is not None}
    plc = PlcSection.model_validate({"coil_base": 100, **on})
    assert read(plc) == list(expected(100, report_base, poll_base))


def test_the_csv_names_its_columns_once():
    first, *rest = as_csv(PlcSection()).splitlines()
    assert first == "block,direction,table,offset,address_0_based,name,registers,type,meaning"
    assert first not in rest


def test_each_coil_means_what_it_is_and_the_eight_of_the_sequence_the_same():
    meanings = [row["meaning"] for row in csv.DictReader(io.StringIO(as_csv(PlcSection())))][:16]
    assert len(set(meanings[:8])) == 8
    assert set(meanings[8:]) == {"Low byte of the result sequence."}
    assert meanings[0] == "This part is good."


@pytest.mark.parametrize(
    ("words", "signed", "kind"), [(1, False, "UINT"), (1, True, "INT"), (2, False, "UDINT"), (2, True, "DINT")]
)
def test_each_number_has_its_type_in_the_plc(words, signed, kind):
    assert type_of(Field("one", words, signed, False, "One.")) == kind
