"""The messages are what schema.json says, field by field."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import aoi_daemon.publisher
from aoi_daemon.config.lens import Lens
from aoi_daemon.decide.alarms import AlarmState, Priority
from aoi_daemon.messages import MAX_DEFECTS, Reason
from aoi_daemon.publisher import payloads
from aoi_daemon.records.rows import Event
from aoi_daemon.stage.lifecycle import Line
from aoi_daemon.stage.status import STAGES
from tests.unit.publisher.recording import RUN

SCHEMA = json.loads((Path(aoi_daemon.publisher.__file__).parent / "schema.json").read_text())
AT = 1_700_000_000.123
STATE = {
    "ready": True, "state": "RUNNING", "stopped_by_rule": False, "recipe": "a", "recipe_id": 1, "lost": 0,
    "parts": 3, "passed": 2, "rejected": 1, "backlog": 0,
}  # fmt: skip


def check(name: str, message: bytes) -> dict:
    """Valid, and without a field that the schema does not know."""
    body = json.loads(message)
    definition = {**SCHEMA, **SCHEMA["$defs"][name]}
    Draft202012Validator(definition).validate(body)
    assert set(body) <= set(definition["properties"])
    return body


def event(**body: str) -> Event:
    whole = {"name": "CAMERA_LOST", "was": "normal", "state": "unacknowledged", "event": "the condition came", "priority": "HIGH", "detail": "top", "by": "", **body}
    return Event(5, RUN, 12, AT, "alarm", whole)


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)
    for name in ("result", "alarm", "alarms", "state"):
        Draft202012Validator.check_schema(SCHEMA["$defs"][name])


def test_a_pass_has_no_reason_and_no_defects(part_of):
    body = check("result", payloads.result(part_of(1, passed=True)))
    assert (body["verdict"], body["reason"], body["defects"], body["worst_class"]) == ("PASS", None, [], None)
    assert body["id"] == f"{RUN}-1" and body["delivered"] is True


def test_a_reject_says_why_and_where_in_units(part_of):
    body = check("result", payloads.result(part_of(3, passed=False)))
    assert (body["verdict"], body["reason"], body["worst_class"], body["defect_count"]) == ("REJECT", "DEFECT", "short", 2)
    first = body["defects"][0]
    assert first == {"class": "short", "score": 0.9, "x1_px": 10.0, "y1_px": 20.0, "x2_px": 30.0, "y2_px": 40.5, "width_mm": None, "height_mm": None}
    assert (body["offset_x_mm"], body["offset_y_mm"]) == (0.12, -0.03)
    assert body["latency_ms"] == 9.0
    assert body["stages_ms"] == {"acquire": 1, "queue": 1, "infer": 5, "decide": 1, "handover": 1, "plc": 1}


def test_a_part_that_went_half_the_way_has_no_times_of_stages(part_of):
    body = check("result", payloads.result(part_of(4, passed=False, reason=Reason.NO_IMAGE, defects=0, inferred_ns=0, judged_ns=0, answered_ns=0)))
    assert body["reason"] == "NO_IMAGE" and body["stages_ms"] is None and body["latency_ms"] is None
    assert body["delivered"] is False and body["missed"] is True


def test_a_part_has_the_plcs_number_and_says_whether_the_plc_let_it_go(part_of):
    """null, not 0, where the number is not known: 0 would be one."""
    body = check("result", payloads.result(part_of(1, passed=True)))
    assert body["trigger_id"] is None and body["bypassed"] is False
    body = check("result", payloads.result(part_of(2, passed=False, trigger_id=2**32 - 1, bypassed=True)))
    assert body["trigger_id"] == 2**32 - 1 and body["bypassed"] is True


@pytest.mark.parametrize("at_s", [AT, 0.0, 1_700_000_000.9996, 1_699_999_999.0004])
def test_both_times_name_the_same_millisecond(at_s):
    from datetime import datetime

    found = payloads.times(at_s)
    assert datetime.fromisoformat(found["at"].replace("Z", "+00:00")).timestamp() == pytest.approx(found["at_ms"] / 1000, abs=1e-6)
    assert abs(found["at_ms"] - at_s * 1000) <= 0.5


def test_an_alarm_says_what_it_was_and_is():
    body = check("alarm", payloads.alarm(event(by="anna (maintenance)"), "line-1"))
    assert body["id"] == f"{RUN}-12" and body["active"] is True and body["acknowledged"] is False
    assert body["text"] and body["remedy"] and body["by"] == "anna (maintenance)"


def test_an_alarm_that_this_version_does_not_know_goes_out_all_the_same():
    body = check("alarm", payloads.alarm(event(name="NEW_ONE", state="asleep"), "line-1"))
    assert body["alarm"] == body["text"] == "NEW_ONE" and body["state"] is None


def test_the_list_of_alarms_has_its_times():
    rows = [("CAMERA_LOST", event().body, AT), ("OPTICS", {}, None)]
    body = check("alarms", payloads.alarms("line-1", AT, rows))
    assert [row["alarm"] for row in body["alarms"]] == ["CAMERA_LOST", "OPTICS"]
    assert body["alarms"][0]["since_ms"] == 1_700_000_000_123
    assert body["alarms"][1]["since"] is None and body["alarms"][1]["active"] is True and body["alarms"][1]["priority"] == "HIGH"


def test_the_state_and_the_will_are_of_one_shape():
    assert check("state", payloads.state("line-1", AT, RUN, STATE))["online"] is True
    will = check("state", payloads.offline("line-1"))
    assert (will["online"], will["ready"], will["at"]) == (False, False, None)
    assert check("state", payloads.offline("line-1", AT))["at_ms"] == 1_700_000_000_123


def test_the_schema_lists_what_the_program_knows():
    found = SCHEMA["$defs"]
    assert found["result"]["properties"]["reason"]["enum"] == [reason.name for reason in Reason if reason] + [None]
    assert found["result"]["properties"]["defects"]["maxItems"] == MAX_DEFECTS
    assert set(found["result"]["properties"]["stages_ms"]["properties"]) == set(STAGES)
    assert found["alarm"]["properties"]["state"]["enum"] == [state.value for state in AlarmState] + [None]
    assert found["alarm"]["properties"]["priority"]["enum"] == [priority.name for priority in Priority] + [None]
    assert found["state"]["properties"]["state"]["enum"] == [state.name for state in Line] + ["OFFLINE"]


def test_sizes_are_told_in_mm_where_the_camera_was_measured(part_of):
    lens = Lens(width_px=640, height_px=480, px_per_mm=10.0)
    body = check("result", payloads.result(part_of(3, passed=False), lens))
    first = body["defects"][0]
    assert (first["width_mm"], first["height_mm"]) == (2.0, 2.05)
    distorted = payloads.result(part_of(3, passed=False), lens.model_copy(update={"k1": -0.1}))
    assert json.loads(distorted)["defects"][0]["width_mm"] > 2.2
