"""The address that plc connects to, from the board to the status and the page."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.config.schema import PlcSection
from aoi_daemon.hmi.pages import commissioning
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.stage.board import SIZE_BYTES, Board, Cell, plc_address, put_plc_address
from aoi_daemon.stage.status import snapshot
from aoi_daemon.texts.words import Words


@pytest.fixture(scope="module")
def board():
    with SharedMemory.create("board", SIZE_BYTES) as memory:
        yield Board(memory)


@given(address=st.ip_addresses(), of=st.integers(1, 8))
def test_every_address_comes_back_as_it_was_put_there(board, address, of):
    put_plc_address(board, str(address), of)
    assert plc_address(board) == str(getattr(address, "ipv4_mapped", None) or address)
    assert board[Cell.PLC_ADDRESSES] == of


@pytest.mark.parametrize(
    ("address", "of", "shown", "on_page"),
    [
        ("10.0.0.5", 1, "10.0.0.5", "10.0.0.5"),
        ("fd00::5", 1, "fd00::5", "fd00::5"),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 2, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff, one of 2 addresses"),
        ("fe80::1%eth0", 1, "fe80::1", "fe80::1"),
        ("10.0.0.5", 3, "10.0.0.5", "10.0.0.5, one of 3 addresses"),
        ("", 0, None, "no address is known"),
    ],
)  # fmt: skip
def test_status_and_page_say_where_the_connection_goes(board, address, of, shown, on_page):
    put_plc_address(board, "1.2.3.4", 1)
    put_plc_address(board, address, of)
    plc = snapshot(board, [])["plc"]
    assert (plc["address"], plc["addresses"]) == (shown, of)
    plc_section = PlcSection(host="plc.example")
    site = SimpleNamespace(live=SimpleNamespace(board=board), config=SimpleNamespace(plc=plc_section))
    rows = commissioning.link(site, Words("en"))
    assert "<dt>Address</dt><dd>plc.example:502</dd>" in rows
    assert f"<dt>Connects to</dt><dd>{on_page}</dd>" in rows
