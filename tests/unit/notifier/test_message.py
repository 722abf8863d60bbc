"""What people read, and what programs do: mails that any server takes, JSON by its schema, nothing injected."""

import email
import email.policy
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import aoi_daemon.notifier
from aoi_daemon.decide.alarms import KINDS, Alarm
from aoi_daemon.notifier.message import harmless, mail, webhook
from aoi_daemon.notifier.notice import Kind, Notice
from aoi_daemon.notifier.outcome import scrub
from aoi_daemon.notifier.words import Wording, span
from aoi_daemon.texts.words import catalogue

SCHEMA = json.loads((Path(aoi_daemon.notifier.__file__).parent / "schema.json").read_text())
AT = 1_790_000_000.0
ENGLISH = Wording("line-1", ("en",), "https://aoi.example")
BOTH = Wording("line-1", ("zh", "en"))

notices = st.builds(
    Notice, kind=st.sampled_from(Kind), receiver=st.just("people"), at=st.floats(1e9, 2e9),
    alarm=st.sampled_from([*Alarm.__members__, "OF_A_NEWER_PROGRAM"]), priority=st.sampled_from(["HIGH", "MEDIUM", "LOW"]),
    detail=st.text(max_size=400), since=st.floats(1e9, 2e9), until=st.one_of(st.just(0.0), st.floats(1e9, 2e9)), count=st.integers(1, 999),
    first=st.sampled_from(["", "f" * 32]), held=st.dictionaries(st.sampled_from(list(Alarm.__members__)), st.integers(1, 99)),
    standing=st.lists(st.sampled_from(list(Alarm.__members__))).map(tuple),
)  # fmt: skip
wordings = st.builds(
    Wording, st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True), st.sampled_from([("en",), ("zh",), ("zh", "en"), ("en", "zh")]),
    st.sampled_from(["", "https://aoi.example:8443"]),
)  # fmt: skip


def read(content: bytes):
    return email.message_from_bytes(content, policy=email.policy.default)


def notice(kind=Kind.RAISED, alarm=Alarm.PLC_LINK, **keys):
    return Notice(kind, "people", AT, alarm=alarm.name, priority=KINDS[alarm].priority.name, since=AT - 60, **keys)


@settings(max_examples=60)
@given(notice=notices, wording=wordings, domain=st.sampled_from(["plant.example", f"{'x' * 60}.{'y' * 60}.example"]))
def test_any_mail_is_plain_ascii_in_short_lines_with_the_headers_that_were_meant(notice, wording, domain):
    to = ["a@plant.example", f"b@{domain}"]
    content = mail(notice, wording, f"aoi@{domain}", to)
    content.decode("ascii")
    lines = content.split(b"\r\n")
    assert b"\n" not in b"".join(lines) and b"\r" not in b"".join(lines)
    body = content.partition(b"\r\n\r\n")[2]
    assert max(map(len, body.split(b"\r\n"))) <= 78 and max(map(len, lines)) <= 998
    found = read(content)
    wanted = {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type", "Content-Transfer-Encoding", "In-Reply-To", "References", "Importance"}
    assert set(found.keys()) <= wanted and len(found.keys()) == len(set(found.keys()))
    assert found["Subject"].strip() == wording.subject(notice)  # where it is folded at once, a blank is left of that
    assert found["To"].addresses[1].addr_spec == to[1] and len(found["To"].addresses) == 2
    assert found["From"].addresses[0].addr_spec == f"aoi@{domain}"
    assert found["Message-ID"].startswith(f"<{notice.id}@")
    assert found.get_content().splitlines() == (wording.body(notice) + "\n").splitlines()
    assert mail(notice, wording, f"aoi@{domain}", to) == content, "the same notice is the same mail"


@settings(max_examples=60)
@given(notice=notices, wording=wordings)
def test_any_json_is_what_its_schema_says_and_says_no_more(notice, wording):
    content = webhook(notice, wording)
    content.decode("ascii")
    body = json.loads(content)
    Draft202012Validator(SCHEMA).validate(body)
    assert body.keys() == SCHEMA["properties"].keys() == set(SCHEMA["required"])
    assert "<" not in body["text"] and ">" not in body["text"]
    assert webhook(notice, wording) == content


def test_the_schema_is_one_and_knows_every_kind():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["kind"]["enum"] == [kind.value for kind in Kind]


def test_a_mail_says_what_since_when_what_to_do_and_where():
    text = ENGLISH.body(notice(detail="host 10.0.0.5", count=4))
    kind = KINDS[Alarm.PLC_LINK]
    for wanted in (f"line-1: {kind.text}", "Since 20", "It has come 4 times.", f"What to do: {kind.remedy}", "Detail: host 10.0.0.5", "Alarm PLC_LINK, priority high.", "https://aoi.example/alarms"):
        assert wanted in text
    found = read(mail(notice(), ENGLISH, "aoi@plant.example", ["a@plant.example"]))
    assert (found["Importance"], found["Auto-Submitted"]) == ("high", "auto-generated")


def test_its_end_says_how_long_it_was_and_belongs_to_the_first_mail():
    ended = notice(Kind.ENDED, until=AT + 140, first="e" * 32)
    assert ENGLISH.subject(ended) == f"line-1: over: {KINDS[Alarm.PLC_LINK].text}" and "(3 min 20 s)" in ENGLISH.body(ended)
    found = read(mail(ended, ENGLISH, "aoi@plant.example", ["a@plant.example"]))
    assert found["In-Reply-To"] == found["References"] == f"<{'e' * 32}@plant.example>"


def test_both_languages_stand_in_it_one_after_the_other():
    text = BOTH.body(notice())
    assert text.index(catalogue("zh").alarms["PLC_LINK"][0]) < text.index(KINDS[Alarm.PLC_LINK].text)
    assert BOTH.subject(notice()) == f"line-1：{catalogue('zh').alarms['PLC_LINK'][0]}"


def test_the_closing_line_counts_and_names():
    closing = Notice(Kind.HELD, "people", AT, held={"OPTICS": 30, "PLC_LINK": 7}, standing=("PLC_LINK",))
    assert ENGLISH.subject(closing) == "line-1: 37 more not sent: too many in an hour"
    text = ENGLISH.body(closing)
    assert "OPTICS: 30, PLC_LINK: 7" in text and f"PLC_LINK ({KINDS[Alarm.PLC_LINK].text})" in text


@pytest.mark.parametrize("bad", ["\r\nBcc: x@y.example", "a\nSubject: other", "\x00\x1b[31m", "\u2028line", "\u202etxt.exe"])
def test_nothing_of_a_detail_gets_out_of_its_line(bad):
    found = read(mail(notice(detail=f"detail {bad}"), ENGLISH, "aoi@plant.example", ["a@plant.example"]))
    assert found["Bcc"] is None and len(found.get_all("Subject")) == 1
    lines = found.get_content().splitlines()
    assert sum(line.startswith("Detail: detail") for line in lines) == 1
    assert not any(line.startswith(("Bcc", "Subject", "line", "txt")) for line in lines if not line.startswith("line-1"))


def test_nobody_is_called_in_a_chat_by_a_detail():
    text = json.loads(webhook(notice(detail="<!channel> @all @here see <http://x|y>"), ENGLISH))["text"]
    assert "<!channel>" not in text and "@all" not in text and "@here" not in text
    assert harmless("5 < 6 @ 7") == "5 ‹ 6 @ 7"


def test_a_password_is_taken_out_as_it_is_and_in_base64():
    assert scrub("no, aGFsbG8td29ybGQ= and hallo-world", ["hallo-world"]) == "no, *** and ***"
    assert scrub("nothing", [""]) == "nothing"


@pytest.mark.parametrize(("seconds", "words"), [(-5, "0 s"), (12.4, "12 s"), (245, "4 min 5 s"), (12_000, "3 h 20 min")])
def test_spans_are_told_as_people_do(seconds, words):
    assert span(seconds) == words
