"""Pictures and downloads: to whom, and what a wrong request gets."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import quote, urlencode

import cv2
import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from aoi_daemon.config.recipe import Manifest, Model
from aoi_daemon.config.schema import PlcSection
from aoi_daemon.errors import AoiError
from aoi_daemon.hmi.access.roles import Action, Denial, Refused
from aoi_daemon.hmi.api.routes import Backend
from aoi_daemon.hmi.pulse import Pulse
from aoi_daemon.hmi.site import Site, reason_name
from aoi_daemon.hmi.web import _downloads, _pictures, read_picture, routes
from aoi_daemon.messages import Reason
from aoi_daemon.records.database import writing

from .conftest import outcome


@pytest.fixture
def site(make_stage, records):
    stage = make_stage(recorder={"folder": str(records.folder)})
    backend = Backend.of(stage)
    yield Site(stage, backend)
    backend.desk.close()


class Client:
    """Asks the app without a network."""

    def __init__(self, app: Starlette) -> None:
        self._app = app

    def get(self, path: str) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=self._app), base_url="http://page") as client:
                return await client.get(path)

        return asyncio.run(ask())


@pytest.fixture
def app(site):
    return Starlette(routes=[*_pictures(site), *_downloads(site)])


@pytest.fixture
def client(app):
    return Client(app)


def size_of(answer):
    return cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_UNCHANGED).shape[:2]


def test_a_recorded_picture_comes_as_large_as_it_is_asked_for(client, records):
    row = records.add(1, Reason.DEFECT)
    records.add_picture(row, "images/a.png")
    answer = client.get(f"/records/{row}/frame.jpg?px=64")
    assert answer.headers["content-type"] == "image/jpeg"
    assert "private" in answer.headers["cache-control"]
    assert size_of(answer) == (48, 64)


@pytest.mark.parametrize("path", ["/records/1/template.jpg", "/records/999/frame.jpg", "/records/1/secret.jpg",
                                  "/records/1/frame.jpg?px=1", "/records/1/frame.jpg?px=99999", "/records/-5/frame.jpg"])  # fmt: skip
def test_a_picture_that_there_is_not_is_not_found(client, records, path):
    records.add_picture(records.add(1, Reason.DEFECT), "images/a.png")
    assert client.get(path).status_code == 404


def test_a_part_number_that_is_none_is_not_found(client):
    assert client.get("/records/one/frame.jpg").status_code == 404
    assert client.get("/live/x/frame.jpg").status_code == 404


@pytest.mark.parametrize("number", [2**63, 2**64, -(2**63) - 1, 10**30])
def test_a_number_beyond_64_bits_is_not_found(client, records, number):
    records.add(1, Reason.DEFECT)
    for path in (f"/records/{number}/frame.jpg", f"/records/1/frame.jpg?px={number}", f"/live/{number}/frame.jpg"):
        assert client.get(path).status_code == 404, path


EDGES = [str(sign * (1 << bits) + more) for bits in (31, 32, 63, 64, 200) for sign in (1, -1) for more in (-1, 0, 1)]
WORDS = st.one_of(
    st.sampled_from([*EDGES, "9" * 5000, "", " 1", "+1", "-0", "1_0", "0x1", "1.5", "1e3", "1e999", "nan", "inf", "\0", "1\0", "\u0663", "\uff11",
                     "2026-02-30 25:61", "0001-01-01", "..", "../../secret.png", "'; --", "\ud800", "true", "[1]"]),
    st.integers().map(str), st.floats().map(str), st.dates().map(str), st.text(max_size=8),
)  # fmt: skip


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_asked_for_no_route_fails(app, client, data):
    """Every part of every path, and every key of its query: never a fault of ours, whatever stands there."""
    routes = app.routes
    assert {"/records/{part_id}/{kind}.jpg", "/report.csv", "/live/{part}/{kind}.jpg"} <= {route.path for route in routes}
    route = data.draw(st.sampled_from(routes))
    path = route.path
    for name in route.param_convertors:
        path = path.replace(f"{{{name}}}", quote(data.draw(WORDS), safe="", errors="surrogatepass"))
    query = [(data.draw(st.sampled_from(["shift", "px", "page", "large"])), data.draw(WORDS)) for _ in range(data.draw(st.integers(0, 3)))]
    status = client.get(f"{path}?{urlencode(query, errors='surrogatepass')}").status_code
    assert status in (200, 204, 403, 404), (path, query, status)


def test_a_path_in_the_database_leads_nowhere_else(records, tmp_path):
    (tmp_path / "secret.png").write_bytes(b"secret")
    row = records.add(1, Reason.DEFECT)
    records.add_picture(row, "images/a.png")
    with writing(records.writer):
        records.writer.execute("UPDATE images SET file = '../secret.png'")
    with pytest.raises(AoiError, match="not in the records folder"):
        read_picture(records.folder, row, "frame", 64)


def test_a_live_picture_that_has_gone_by_is_nothing_and_no_fault(client):
    answer = client.get("/live/5/frame.jpg")
    assert (answer.status_code, answer.content) == (204, b"")
    assert client.get("/live/5/passwd.jpg").status_code == 204


def test_a_live_picture_is_never_kept_by_the_browser(client, site):
    ring = site.stage.frame_ring(0)
    ring.begin(1)
    ring.planes(1)[0][:] = 70
    ring.publish(1, (48, 64, 1), fov=0, trigger_ns=0, ready_ns=outcome(1).ready_ns, has_template=False)
    site.pictures.take(outcome(1))
    answer = client.get("/live/1/frame.jpg")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"


def test_the_plcs_map_and_program_are_files(client):
    for path, name in (("/plc/map.csv", "aoi-map.csv"), ("/plc/aoi.st", "aoi.st")):
        answer = client.get(path)
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
        assert "HEARTBEAT" in answer.text


def test_the_program_for_registers_alone_is_a_file_where_there_are_registers(client, site):
    assert client.get("/plc/aoi-registers.st").status_code == 404
    plc = PlcSection.model_validate({"registers": {"base": 7}})
    site.config = site.config.model_copy(update={"plc": plc})
    answer = client.get("/plc/aoi-registers.st")
    assert answer.headers["content-disposition"] == 'attachment; filename="aoi-registers.st"'
    assert "PASS := (AOI_R_VERDICT = 1)" in answer.text


def test_the_report_is_for_who_may_export(client, site, monkeypatch):
    assert client.get("/report.csv").status_code == 403

    def need(session, action):
        assert action is Action.EXPORT

    monkeypatch.setattr(site.access, "need", need)
    answer = client.get("/report.csv?shift=no-such-shift")
    assert answer.status_code == 200  # the running one
    assert answer.text.lstrip("\ufeff").startswith("section,name,value,more")

    def refuse(session, action):
        raise Refused(Denial.ROLE)

    monkeypatch.setattr(site.access, "need", refuse)
    assert client.get("/report.csv").status_code == 403


def test_a_reject_is_counted_under_the_name_that_the_records_give_it(site):
    site.classes = ("open", "short")
    site.count([outcome(1, Reason.DEFECT), outcome(2, Reason.LATE), outcome(3)])
    assert {row.name: row.rejects for row in site.figures.pareto()} == {"short": 1, "LATE": 1}
    assert reason_name(99) == "#99"


def test_a_bundle_that_cannot_be_read_costs_the_names_alone(site):
    assert site.classes == ()


def test_a_reject_while_the_page_starts_is_counted_under_its_class(stage, tmp_path):
    """It comes after the process has looked at the verdict ring, and before it has read the class names."""
    models = {"fp32": Model(file="m.onnx", sha256="0" * 64)}
    manifest = Manifest(name="demo", classes=("open", "short"), has_template=False, models=models)
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "manifest.json").write_text(manifest.model_dump_json())
    backend = Backend.of(stage)
    stage.verdicts().append(outcome(1, Reason.DEFECT))
    Site(stage, backend)
    backend.metrics.pump()
    assert dict(backend.metrics.parts.rejected) == {"short": 1}
    backend.desk.close()


def test_what_a_browser_has_of_a_page_is_not_kept_for_it(site):
    """Up to 256 pages are: with 12 rejects one has 80 kB."""
    pulse = Pulse(site)
    client = Client(Starlette(routes=routes(site, pulse)))
    found = [pulse.opened.find(re.search('data-page="([^"]+)"', client.get(path).text)[1]) for path in ("/", "/rejects", "/alarms")]
    assert [page.html for page in found] == ["", "", ""]
