"""The judge of the runs against foreign servers: what it must not overlook."""

from __future__ import annotations

from itertools import pairwise

from aoi_daemon.messages import Outcome
from aoi_daemon.plcmap.coils import COILS, Result, bits, pack
from aoi_daemon.plcmap.registers import Flag, Report, encode_report
from tests.line.peers.judge import BAD, GOOD, WRITE_COILS, WRITE_REGISTERS, Seen, judge
from tests.line.peers.peer import COIL_BASE, REPORT_BASE, Request

MS = 1_000_000
TAKT_NS = 50 * MS
ANSWER_NS = 17 * MS
FIRST_NS = 1000 * MS


def trigger_ns(part: int) -> int:
    return FIRST_NS + part * TAKT_NS


def outcome(part: int) -> Outcome:
    values = dict.fromkeys(Outcome._fields, 0) | {"part": part, "trigger_ns": trigger_ns(part), "passed": True, "bypassed": False, "defects": b""}
    return Outcome(**values)


def coils(at_ns: int, part: int, result: Result = Result.PASS, *, took_ns: int = 15 * MS, heartbeat: bool = False) -> Request:
    word = pack(result, ready=True, heartbeat=heartbeat, sequence=part & 0xFF)
    return Request(at_ns - took_ns, at_ns, at_ns, 1, WRITE_COILS, COIL_BASE, tuple(map(int, bits(word))))


def registers(at_ns: int, part: int, verdict: Result = Result.PASS) -> Request:
    values = encode_report(Report(verdict=verdict, flags=Flag.READY, sequence=part))
    return Request(at_ns - 15 * MS, at_ns, at_ns, 1, WRITE_REGISTERS, REPORT_BASE, tuple(values))


class AsTheCoilsSay:
    """A program that lets go what the coils say at the gate, whichever part it is for."""

    def __init__(self) -> None:
        self.word = 0
        self.calls: list[tuple[str, int]] = []

    def write_coils(self, word: int, now_ns: int) -> None:
        self.word = word
        self.calls.append(("write", now_ns))

    def write_registers(self, offset: int, values: object, now_ns: int) -> None:
        assert offset == 0
        self.calls.append(("write", now_ns))

    def trigger(self, now_ns: int) -> None:
        self.calls.append(("trigger", now_ns))

    def gate(self, now_ns: int) -> bool:
        self.calls.append(("gate", now_ns))
        return not self.word & Result.PASS

    def tick(self, now_ns: int) -> None:
        self.calls.append(("tick", now_ns))


def found(requests, truths=(GOOD,), program=None, first=1):
    parts = range(first, first + len(truths))
    seen = [Seen(part, trigger_ns(part), truth) for part, truth in zip(parts, truths, strict=True)]
    requests = sorted(requests, key=lambda request: request.wrote_ns)
    return judge(
        {"only": program or AsTheCoilsSay()}, requests, seen, [outcome(part) for part in parts],
        deadline_ns=TAKT_NS, gate_ns=TAKT_NS, answer_ns=ANSWER_NS,
    )  # fmt: skip


def test_a_pass_within_the_window_is_no_finding():
    findings = found([registers(trigger_ns(1) + 20 * MS, 1), coils(trigger_ns(1) + 35 * MS, 1)])
    assert findings.gone["only"] == (1, 0, [])
    assert not (findings.late_by_daemon or findings.late_by_server or findings.unknown)


def test_a_late_pass_of_a_server_that_kept_its_time_is_the_daemons():
    for late in (coils(trigger_ns(2) + 1, 1), registers(trigger_ns(2) + 1, 1)):
        findings = found([late])
        assert [(each.part, each.function, each.late_ns) for each in findings.late_by_daemon] == [(1, late.function, 1)]
        assert not findings.late_by_server


def test_a_late_pass_of_a_server_that_took_longer_is_the_servers():
    findings = found([coils(trigger_ns(2) + 1, 1, took_ns=ANSWER_NS + 1)])
    assert len(findings.late_by_server) == 1
    assert not findings.late_by_daemon


def test_the_heartbeat_may_carry_a_pass_on_after_its_deadline():
    findings = found([coils(trigger_ns(1) + 20 * MS, 1), coils(trigger_ns(3), 1, heartbeat=True)])
    assert not findings.late_by_daemon


def test_a_sequence_that_comes_round_is_another_part():
    parts = 300
    words = [coils(trigger_ns(part) + 20 * MS, part) for part in range(1, parts)]
    findings = found([*words, coils(trigger_ns(parts + 1) + MS, parts)], truths=(GOOD,) * parts)
    assert [each.part for each in findings.late_by_daemon] == [parts]


def test_a_pass_for_a_part_that_nobody_saw_is_found():
    findings = found([coils(trigger_ns(1) + 20 * MS, 7)])
    assert len(findings.unknown) == 1


def test_a_bad_part_that_the_program_lets_go_is_an_escape():
    findings = found([coils(trigger_ns(1) + 20 * MS, 1)], truths=(GOOD, BAD))
    assert [part.number for part in findings.gone["only"].escapes] == [2]
    assert findings.gone["only"].good == findings.good == 1


def test_the_program_sees_all_in_the_order_of_time():
    program = AsTheCoilsSay()
    found([coils(trigger_ns(2), 1), registers(trigger_ns(1) + MS, 1)], truths=(GOOD, GOOD), program=program)
    times = [at_ns for _, at_ns in program.calls]
    assert times == sorted(times)
    # At one time: the part is there before its verdict, and the gate sees what was written by then.
    assert [kind for kind, at_ns in program.calls if at_ns == trigger_ns(2)][:3] == ["trigger", "write", "gate"]
    assert max(later - earlier for earlier, later in pairwise(times)) <= 5 * MS


def test_a_word_that_is_not_the_map_is_refused():
    short = coils(trigger_ns(1) + MS, 1)
    short = short._replace(values=short.values[: COILS // 2])
    try:
        found([short])
    except AssertionError as error:
        assert "Request(" in str(error)
    else:
        raise AssertionError("half a word was taken for a word")
