"""tools/monitoring: what the files name exists, and they are what their programs read."""

import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from aoi_daemon.config.schema import LineConfig
from aoi_daemon.decide.alarm_list import Alarm
from aoi_daemon.hmi.metrics.view import BESIDE_FACTS, Metrics, Source
from aoi_daemon.messages import Defect, Outcome, Reason, pack_defects
from aoi_daemon.ring.verdicts import VerdictReader, VerdictWriter

from .conftest import NOW

FOLDER = Path(__file__).parents[4] / "tools" / "monitoring"
DASHBOARD = json.loads((FOLDER / "grafana-dashboard.json").read_text())
RULES = [rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]] + [rule["expr"] for rule in RULES]


@pytest.fixture
def samples(board, verdict_memory) -> dict[str, list[dict[str, str]]]:
    """Labels of each sample of a line with everything, by the sample's name."""
    config = LineConfig.model_validate({"cameras": [{"kind": "genicam", "producer": "x.cti"}]})
    facts = {fact.process: {"pid": 1, "restarts": 0} for fact in BESIDE_FACTS}
    for fact in BESIDE_FACTS:
        facts[fact.process][fact.key] = 1
    metrics = Metrics(Source(config, board, VerdictReader(verdict_memory), "", lambda: NOW, (), facts))
    VerdictWriter(verdict_memory).append(Outcome(1, False, Reason.DEFECT, 0, 0, 1, 1, 0, 1, 0, 0, 0, *[1] * 8, pack_defects((Defect(0, 1, 0, 0, 1, 1),))))
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(metrics.text()[0].decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


def test_every_metric_that_is_asked_for_is_served(samples):
    asked = {name for expression in EXPRESSIONS for name in re.findall(r"\baoi_[a-z0-9_]+", expression)}
    assert len(asked) > 30
    assert asked <= set(samples), sorted(asked - set(samples))


def test_every_label_that_is_asked_for_is_served(samples):
    """A selector with a value that never comes is an alert that never fires."""
    for expression in EXPRESSIONS:
        for name, selector in re.findall(r"\b(aoi_[a-z0-9_]+)\{([^}]*)\}", expression):
            for label, value in re.findall(r'(\w+)="([^"]*)"', selector):
                assert any(labels.get(label) == value for labels in samples[name]), f"{name}{{{label}={value!r}}}"
        for group in re.findall(r"by \(([^)]*)\)", expression):
            names = re.findall(r"\baoi_[a-z0-9_]+", expression)
            for label in set(group.replace(" ", "").split(",")) - {"instance"}:
                assert any(label in labels for name in names for labels in samples[name]), (expression, label)


def test_counters_are_asked_for_by_how_they_grow_and_gauges_are_not():
    for expression in EXPRESSIONS:
        for name in re.findall(r"\b(aoi_[a-z0-9_]+)", expression):
            grows = re.search(rf"(rate|increase)\({name}\b", expression) is not None
            assert grows == name.endswith(("_total", "_bucket")), expression


def test_the_dashboard_asks_for_its_data_source_at_import():
    (told,) = DASHBOARD["__inputs"]
    assert (told["name"], told["type"], told["pluginId"]) == ("DS_PROMETHEUS", "datasource", "prometheus")
    sources = [panel["datasource"]["uid"] for panel in PANELS] + [target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]]
    assert set(sources) == {"${DS_PROMETHEUS}"}
    assert DASHBOARD["id"] is None, "an id belongs to one Grafana"
    assert {panel["type"] for panel in PANELS} <= {required["id"] for required in DASHBOARD["__requires"]}


def test_every_panel_has_a_place_of_its_own_and_a_title():
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken and max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
        assert panel["title"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert all(target["expr"].count("(") == target["expr"].count(")") for panel in PANELS for target in panel["targets"])


def test_the_dashboard_follows_the_chosen_line():
    for panel in PANELS:
        for target in panel["targets"]:
            for name in re.findall(r"\baoi_[a-z0-9_]+", target["expr"]):
                assert re.search(rf'{name}\{{instance=~"\$instance"', target["expr"]), panel["title"]


def test_every_alert_says_what_is_wrong_where_and_what_to_do():
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names) > 15
    for rule in RULES:
        assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]
        assert "{{ $labels.instance }}" in rule["annotations"]["summary"] and rule["annotations"]["description"]


def test_the_alerts_name_alarms_that_there_are():
    named = {name for rule in RULES for name in re.findall(r'alarm="(\w+)"', rule["expr"])}
    assert named and named <= {alarm.name.lower() for alarm in Alarm}


def test_the_example_scrapes_the_pages_own_port_and_reads_the_rules():
    from aoi_daemon.config.hmi import HmiSection

    example = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    (job,) = example["scrape_configs"]
    assert job["static_configs"][0]["targets"] == [f"127.0.0.1:{HmiSection().port}"]
    assert "metrics_path" not in job, "the default, /metrics, is ours"
    assert all((FOLDER / file).is_file() for file in example["rule_files"])
    assert {name for rule in RULES for name in re.findall(r'job="([^"]*)"', rule["expr"])} == {job["job_name"]}
