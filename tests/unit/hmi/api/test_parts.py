"""Parts as JSON: who gets them, page by page, and that every answer is as the document says."""

from __future__ import annotations

import asyncio
from urllib.parse import quote, urlencode

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aoi_daemon.config.hmi import TOKENS_FILE
from aoi_daemon.hmi.access.roles import Denial, Refused
from aoi_daemon.hmi.access.tokens import change_tokens, hash_of, new_token
from aoi_daemon.hmi.access.users import Role, User
from aoi_daemon.hmi.find.asked import PARAMETERS
from aoi_daemon.messages import Reason
from aoi_daemon.records import parts as write
from aoi_daemon.records import queries
from aoi_daemon.records.database import writing
from aoi_daemon.records.fields import as_object
from aoi_daemon.records.reviews import review
from tests.unit.hmi.find.test_asked import NAMES, WORDS
from tests.unit.records.conftest import NOON, RUN

PATHS = ("/api/v1/parts", f"/api/v1/parts/{RUN}-1", "/api/v1/openapi.json")


@pytest.fixture
def token(tmp_path):
    made = new_token()
    change_tokens(tmp_path / TOKENS_FILE, lambda tokens: tokens.update(mes=hash_of(made)))
    return made


@pytest.fixture
def valid(api, token):
    """`valid(path, status)`: the answer, checked by what the document says of this route and status."""
    here = api()
    document = here.get("/api/v1/openapi.json", token=token).json()

    def ask(path: str, status: int = 200):
        answer = here.get(path, token=token)
        assert answer.status_code == status, (path, answer.text)
        template = "/api/v1/parts/{id}" if path.startswith("/api/v1/parts/") else path.partition("?")[0]
        schema = document["paths"][template]["get"]["responses"][str(status)]["content"]["application/json"]["schema"]
        checked = jsonschema.Draft202012Validator({**schema, "components": document["components"]}, format_checker=jsonschema.FormatChecker())
        assert [error.message for error in checked.iter_errors(answer.json())] == []
        return answer.json()

    return ask


def fill(records):
    """One part of each kind."""
    for part, reason in enumerate(Reason, 1):
        row = records.add(part, reason)
        if reason is not Reason.NONE:
            records.add_picture(row, f"images/{part}.png")
    records.add(50, answered_ns=0, sent_ns=0)
    review(records.writer, 2, "false_call", by="anna (operator)", at=NOON)
    review(records.writer, 3, "defect", by="anna (operator)", at=NOON)
    review(records.writer, 3, None, by="anna (operator)", at=NOON)
    records.event(1, NOON, "audit", what="reload", by="max", ok=False, detail="refused")
    with writing(records.writer):
        write.insert_gap(records.writer, records.run, write.Gap("images", 50, 50, 1, NOON, "the disk is full"))


def test_every_answer_is_as_the_document_says(valid, records):
    assert valid("/api/v1/parts") == {"parts": [], "next": None, "searched_back_to": None, "complete": True}
    fill(records)
    found = valid("/api/v1/parts")
    assert found["next"] is None and found["complete"]
    assert found["parts"] == [as_object(part) for part in reversed(queries.parts_after(records.reader, 0, 99))], "as an export has them"
    for part in found["parts"]:
        assert valid(f"/api/v1/parts/{part['uid']}")["uid"] == part["uid"]
    assert "no such part" in valid("/api/v1/parts/1", 404)["error"]
    assert valid("/api/v1/parts?reason=X", 400)["parameter"] == "reason"


def test_the_document_is_of_openapi_and_names_each_parameter(valid):
    document = valid("/api/v1/openapi.json")
    assert document["openapi"].startswith("3.1.") and {"title", "version"} <= document["info"].keys()
    named = document["paths"]["/api/v1/parts"]["get"]["parameters"]
    assert [parameter["name"] for parameter in named] == [*(parameter.name for parameter in PARAMETERS), "after", "limit"]
    for schema in [*document["components"]["schemas"].values(), *(parameter["schema"] for parameter in named)]:
        jsonschema.Draft202012Validator.check_schema(schema)
    for path in document["paths"].values():
        for answer in path["get"]["responses"].values():
            assert answer["description"] and ("image/jpeg" in answer["content"] or answer["content"]["application/json"]["schema"])


def test_a_detail_tells_what_the_page_shows(valid, records):
    fill(records)
    found = valid(f"/api/v1/parts/{RUN}-2")
    assert [picture["kind"] for picture in found["pictures"]] == ["frame"] and found["no_picture"] is None
    assert found["plc"] == {"took": "REJECT", "sequence": 2, "word": 0b0000001000000010, "sent": True, "missed": False}
    assert found["stages"][2] == {"name": "inference", "took_ms": 6.0, "ended_ms": 8.0}
    assert [(one["review"], one["by"]) for one in found["reviews"]] == [("false_call", "anna (operator)")]
    assert found["audit"][0]["what"] == "reload" and found["audit"][0]["ok"] is False
    lost = valid(f"/api/v1/parts/{RUN}-50")
    assert (lost["no_picture"], lost["no_picture_why"], lost["plc"]["took"], lost["plc"]["sent"]) == ("lost", "the disk is full", None, False)


def test_pages_joined_are_all_and_none_twice(api, token, records):
    for part in range(1, 24):
        records.add(part, Reason.DEFECT if part % 2 else Reason.NONE)
    here, seen, after = api(), [], ""
    while True:
        found = here.get(f"/api/v1/parts?class=short&limit=5{after and f'&after={after}'}", token=token).json()
        seen += [part["part"] for part in found["parts"]]
        if found["next"] is None:
            break
        after = found["next"]
    assert seen == list(range(23, 0, -2))


@given(query=st.lists(st.tuples(st.sampled_from(NAMES) | WORDS, WORDS), max_size=4), uid=st.none() | WORDS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_asked_for_is_answered_or_named(api, token, records, query, uid):
    here = api()
    path = "/api/v1/parts" if uid is None else f"/api/v1/parts/{quote(uid, safe='', errors='surrogatepass')}"
    answer = here.get(f"{path}?{urlencode(query, errors='surrogatepass')}", token=token)
    here.close()
    assert answer.status_code in (200, 307, 400, 404), (path, query)
    if answer.status_code == 400:
        assert "parameter" in answer.json() and "\n" not in answer.json()["error"]


class TestWho:
    @pytest.mark.parametrize("open_view", [True, False])
    @pytest.mark.parametrize("path", PATHS)
    def test_nobody_without_a_token_or_a_login_that_may_export(self, api, records, path, open_view):
        answer = api(open_view=open_view).get(path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert "aoi-daemon token add" in answer.json()["error"]

    @pytest.mark.parametrize(("role", "status"), [(Role.OPERATOR, 403), (Role.QUALITY, 200), (Role.MAINTENANCE, 200)])
    def test_a_login_reads_as_far_as_it_may_export(self, api, records, role, status, monkeypatch):
        here = api()
        user = User("mei", role, "x")
        monkeypatch.setattr(here.backend.access.users, "users", lambda: {"mei": user})
        cookie, _ = here.backend.access.sessions.begin(user, here.clock_ns)
        answer = here.get("/api/v1/parts", cookie=f"{here.backend.access.cookie}={cookie}")
        assert answer.status_code == status

    def test_it_reads_the_pictures_of_a_part_and_of_no_other(self, api, token, records):
        records.add_picture(records.add(1, Reason.DEFECT), "images/1.png")
        records.add_picture(records.add(2, Reason.DEFECT), "images/2.png")
        here = api(open_view=False)
        (picture,) = here.get(f"/api/v1/parts/{RUN}-1", token=token).json()["pictures"]
        assert here.get(picture["link"], token=token).headers["content-type"] == "image/jpeg"
        assert here.get(picture["link"]).status_code == 401
        assert here.get(picture["link"].replace("-1/", "-2/"), token=token).status_code == 404

    @pytest.mark.parametrize("open_view", [True, False])
    def test_a_token_reads_the_api_and_nothing_else(self, api, token, records, open_view):
        records.add(1)
        here = api(open_view=open_view)
        for path in PATHS:
            assert here.get(path, token=token).status_code == 200, path
        assert here.get("/api/status", token=token).status_code == (200 if open_view else 401)

    def test_its_use_is_in_the_audit_once_for_each_address(self, api, token, records):
        here = api()
        for client in ("10.0.0.9", "10.0.0.9", "10.0.0.8"):
            assert here.get("/api/v1/parts", token=token, client=client).status_code == 200
        assert here.told == [{"what": "token", "by": "mes (token)", "ok": True, "detail": f"from {client}"} for client in ("10.0.0.9", "10.0.0.8")]

    @pytest.mark.parametrize("wrong", ["", "aoi_", "x" * 5000, "aoi_\u00e9"])
    def test_a_wrong_one_is_refused_with_the_remedy_and_braked_as_a_password_is(self, api, token, records, wrong):
        here = api()
        for _ in range(3):
            answer = here.get("/api/v1/parts", authorization=f"Bearer {wrong}".encode())
            assert answer.status_code == 401 and "aoi-daemon token add NAME" in answer.json()["error"]
        assert [line["ok"] for line in here.told] == [False] * 3 and token not in str(here.told)
        for sent in (wrong, token):  # of this address none is looked at now
            answer = here.get("/api/v1/parts", authorization=f"Bearer {sent}".encode())
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert here.get("/api/v1/parts", token=token, client="10.0.0.8").status_code == 200, "others do not wait for it"
        here.clock_ns += 1_100_000_000
        assert here.get("/api/v1/parts", token=token).status_code == 200

    def test_a_program_that_asks_on_with_a_wrong_one_keeps_nobody_at_its_address_from_logging_in(self, api, token, records):
        """A token that was removed, in a dashboard on the line's PC: the operator is at the same address."""
        here = api()
        for client in ("127.0.0.1", "10.0.0.9"):
            codes = {here.get("/api/v1/parts", token=f"aoi_of_{client}", client=client).status_code for _ in range(5)}
            assert codes == {401, 429}
            with pytest.raises(Refused) as caught:
                asyncio.run(here.backend.access.login("mei", "wrong", client))
            assert caught.value.denial == Denial.CREDENTIALS, "looked at"

    def test_no_other_scheme_is_taken(self, api, token, records):
        assert api().get("/api/v1/parts", authorization=f"Basic {token}").status_code == 401

    def test_one_that_was_removed_ends_at_once(self, api, token, records, tmp_path):
        here = api()
        assert here.get("/api/v1/parts", token=token).status_code == 200
        change_tokens(tmp_path / TOKENS_FILE, lambda tokens: tokens.clear())
        assert here.get("/api/v1/parts", token=token).status_code == 401

    def test_a_file_that_others_read_lets_nobody_in_and_names_no_file_to_who_asks(self, api, token, records, tmp_path):
        here = api()
        (tmp_path / TOKENS_FILE).chmod(0o644)
        answer = here.get("/api/v1/parts", token=token)
        assert answer.status_code == 409 and str(tmp_path) not in answer.text
        assert "chmod 0600" in here.told[0]["detail"]


def test_without_records_it_says_so(make_stage, token, tmp_path):
    from tests.unit.hmi.api.conftest import Api

    here = Api(make_stage(hmi={}), tmp_path)
    answer = here.get("/api/v1/parts", token=token)
    assert answer.status_code == 409 and "[recorder]" in answer.json()["error"]
    here.close()
