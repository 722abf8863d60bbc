"""The fail-safe table's rows of a PLC that fails, and what the PLC sees of each; see `test_failsafe.py`.

A module of its own: its line runs for as long as its tests do, and no other line may run beside it.
"""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest

from aoi_daemon.kit.line.daemon import wait_for
from tests.line.conftest import starter
from tests.line.test_failsafe import SAFE_BITS


@pytest.fixture(scope="module")
def mended(tmp_path_factory, boards, bundle):
    """One line for all that a PLC may do wrong: each test leaves it as it found it, READY."""
    with ExitStack() as owned:
        yield starter(owned, tmp_path_factory.mktemp("mended"), boards, bundle)(plc={"reconnect_max_ms": 200.0})


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [("mute", {}), ("refuse", {}), ("reset", {}), ("exception", {"code": 4}), ("wrong_echo", {}), ("delay", {"ms": 200}), ("trickle", {"ms": 20})],
)  # fmt: skip
def test_a_plc_that_fails_is_noticed_and_nothing_is_replayed(mended, measured, kind, parameters):
    """The link is reset at once, nothing is written twice, and the safe state comes first afterwards."""
    running = mended
    running.wait_ready()
    running.wait_parts(15)  # and those of the test before: a link is steady after a second; until then it is tried again as in the outage before
    seen, since = len(running.outcomes()), running.now_ns()
    running.plc.fault(kind, **parameters)
    wait_for(lambda: running.daemon.status()["plc"]["link"] == "DOWN", 5, "the link to be down")
    measured(f"PLC {kind}", "until noticed (link down)", (time.monotonic_ns() - since) / 1e6)
    assert not running.daemon.status()["ready"]
    alarm = "PLC_REFUSED" if kind == "exception" else "PLC_LINK"
    wait_for(lambda: any(a["name"] == alarm for a in running.daemon.status()["alarms"]), 5, "the alarm")
    lost = wait_for(lambda: [o for o in running.outcomes()[seen:] if not o.answered_ns], 5, "an undelivered part")
    running.plc.fault("none")
    mended_ns = running.now_ns()
    running.wait_ready()
    measured(f"PLC {kind}", "mended until READY=1 again", running.first("ready", mended_ns))
    words = running.coils_since(mended_ns)
    assert words[0] & SAFE_BITS == 0, "the safe state comes first"
    running.wait_parts(10)
    running.no_unproven_pass()
    delivered = {part.sequence for part in running.plc.parts() if part.verdict == "pass" and part.trigger_ns > mended_ns}
    assert delivered
    assert sum(outcome.passed for outcome in lost) <= 1, "only the one that was on the wire may have been a PASS"
