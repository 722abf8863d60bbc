"""Find parts, and one part for ever: the pages as they are served, without a script."""

from __future__ import annotations

import asyncio
import re
from html import unescape
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from aoi_daemon.hmi.api.routes import Backend
from aoi_daemon.hmi.pages.find import SHOWN
from aoi_daemon.hmi.pulse import Pulse
from aoi_daemon.hmi.site import Site
from aoi_daemon.hmi.web import routes
from aoi_daemon.messages import Reason
from aoi_daemon.records import parts as write
from aoi_daemon.records.database import writing
from aoi_daemon.records.reviews import review
from tests.unit.hmi.find.test_asked import NAMES, WORDS

from .conftest import NOON, RUN


@pytest.fixture
def client(make_stage, records):
    stage = make_stage(recorder={"folder": str(records.folder)})
    backend = Backend.of(stage)
    site = Site(stage, backend)
    app = Starlette(routes=routes(site, Pulse(site)))

    def get(path: str, *, follow: bool = True) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://page", follow_redirects=follow) as http:
                return await http.get(path)

        return asyncio.run(ask())

    yield get
    backend.desk.close()


def shown(html: str) -> list[str]:
    return re.findall(r'data-part="([^"]+)"', html)


def text(html: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html.partition("</nav>")[2])))


def test_parts_of_a_class_are_found_newest_first_and_page_by_page(client, records):
    for part in range(1, 2 * SHOWN):
        records.add(part, Reason.DEFECT if part % 2 else Reason.NONE)
    page, seen = "/find?class=short", []
    while page:
        html = client(page).text
        seen += shown(html)
        assert html.count('rel="next"') <= 1
        found = re.search(r'rel="next" href="([^"]+)"', html)
        page = unescape(found[1]) if found else ""
    assert seen == [f"{RUN}-{part}" for part in range(2 * SHOWN - 1, 0, -2)]


def test_a_form_with_empty_fields_becomes_the_short_link_of_its_search(client, records):
    records.add(1, Reason.DEFECT)
    answer = client("/find?from=&to=&class=short&reason=&part=", follow=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/find?class=short")
    assert client("/find?class=+", follow=False).headers["location"] == "/find"


def test_where_nothing_is_found_it_says_what_was_asked_and_how_to_widen_it(client, records):
    assert "No part is recorded yet" in client("/find").text
    records.add(1, Reason.DEFECT)
    html = client("/find?class=copper&from=2026-11-22").text
    said = text(html)
    assert "No part fits. All that is recorded was searched" in said and "Or choose a longer time" in said
    assert "Class: copper" in said
    assert 'href="/find?from=2026-11-22"' in html and 'href="/find?class=copper"' in html, "each filter can be left out"
    assert 'value="copper"' in html and 'value="2026-11-22T00:00"' in html, "the form holds what was asked"


def test_a_search_that_is_cut_off_says_how_far_it_looked_and_goes_on(client, records, monkeypatch):
    for part in range(1, 4):
        records.add(part, Reason.DEFECT)
    monkeypatch.setattr("aoi_daemon.records.find.search.__kwdefaults__", {"for_s": 0.0, "clock": lambda: 0.0})
    html = client("/find?passed=true&reason=DEFECT").text
    assert "searched back to" in text(html) and "Go on" in text(html)
    assert re.search(r'id="go-on" rel="next" href="/find\?passed=true&amp;reason=DEFECT&amp;after=', html)


def test_a_parameter_that_is_wrong_is_named_and_the_form_keeps_it(client, records):
    answer = client("/find?class=open&reason=SPOTS")
    assert answer.status_code == 400
    assert "reason = SPOTS: must be one of: NONE, DEFECT" in text(answer.text)
    assert 'value="open"' in answer.text


@given(query=st.lists(st.tuples(st.sampled_from(NAMES) | WORDS, WORDS), max_size=4))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_asked_the_page_answers(client, query):
    status = client(f"/find?{urlencode(query, errors='surrogatepass')}").status_code
    assert status in (200, 400), query


@given(uid=WORDS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_part_is_asked_for_the_page_answers(client, uid):
    name = quote(uid, safe="", errors="surrogatepass")
    assert client(f"/parts/{name}").status_code in (303, 404), uid
    assert client(f"/parts/{RUN}-1/{name}.jpg").status_code == 404


class TestPart:
    def html(self, client, part=7):
        answer = client(f"/parts/{RUN}-{part}")
        assert answer.status_code == 200
        return answer.text

    def test_it_shows_all_that_is_kept(self, client, records):
        row = records.add(7, Reason.DEFECT)
        records.add_picture(row, "images/a.png")
        records.add_picture(row, "templates/t.png", "template")
        review(records.writer, row, "false_call", by="anna (operator)", note="dust", at=NOON + 60)
        review(records.writer, row, None, by="max (maintenance)", at=NOON + 61)
        records.event(1, NOON + 100, "audit", what="reload", by="max (maintenance)", ok=True, detail="takt_ms 50 -> 60")
        records.event(2, NOON + 4000, "audit", what="reset", by="max", ok=True, detail="an hour later")
        html = self.html(client)
        said = text(html)
        for words in ("REJECT, read back and verified", "short", "0.90", "1, 2 – 30, 40", "open", "dust", "Taken back", "takt_ms 50 -> 60", "ab" * 8, RUN,
                      "0000011100000010", "10 minutes"):  # fmt: skip
            assert words in said, words
        assert "an hour later" not in said
        pictures = re.findall(rf'src="(/parts/{RUN}-7/\d+\.jpg)"', html)
        assert len(pictures) == 2 and html.count('class="box"') == 4
        for picture in pictures:
            assert client(picture).headers["content-type"] == "image/jpeg"
        assert client(pictures[0].replace("-7/", "-8/")).status_code == 404, "a picture of another part"

    def test_the_times_are_by_stage(self, client, records):
        records.add(7, Reason.DEFECT)
        rows = re.findall(r"<tr><td>(\w+)</td><td class=\"number\">([\d.–]+)</td><td class=\"number\">([\d.–]+)</td></tr>", self.html(client))
        assert rows == [("Camera", "1.00", "1.00"), ("Queue", "1.00", "2.00"), ("Inference", "6.00", "8.00"), ("Decision", "1.00", "9.00"),
                        ("Handover", "1.00", "10.00"), ("PLC", "1.00", "11.00")]  # fmt: skip

    def test_why_there_is_no_picture_is_said(self, client, records):
        records.add(1)
        records.add(2, Reason.NO_IMAGE)
        records.add(3, Reason.DEFECT)
        records.add(4, Reason.DEFECT)
        with writing(records.writer):
            write.insert_gap(records.writer, records.run, write.Gap("images", 4, 4, 1, NOON, "the disk is full"))
        for part, why in enumerate(("of good parts a sample", "none came from the camera", "removed for their age", "was lost: the disk is full"), 1):
            assert why in text(self.html(client, part)), part

    def test_what_the_plc_took_is_only_what_it_confirmed(self, client, records):
        records.add(1, answered_ns=0)
        records.add(2, Reason.LATE, answered_ns=0, sent_ns=0)
        assert "the answer was not verified" in text(self.html(client, 1))
        assert "no verdict was sent" in text(self.html(client, 2))

    def test_its_link_is_the_same_in_another_database(self, client, records):
        records.add(3)
        first = self.html(client, 3)
        with writing(records.writer):
            records.writer.execute("UPDATE parts SET id = id + 1000")
        assert f"This link stays: /parts/{RUN}-3" in text(first) and f"This link stays: /parts/{RUN}-3" in text(self.html(client, 3))

    def test_one_that_there_is_not_says_so(self, client, records):
        answer = client(f"/parts/{RUN}-99")
        assert answer.status_code == 404 and "no such part is recorded" in text(answer.text)


def test_the_rejects_lead_to_their_parts(client, records):
    records.add(7, Reason.DEFECT)
    assert f'href="/parts/{RUN}-7"' in client("/rejects").text
