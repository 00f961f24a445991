"""The dashboard and the alerts: each expression is one, and asks for what the service exports."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from flask import Flask

from app.services import jobs
from tests.factories import Caller
from tests.serving import served
from tests.web.test_metrics import Figures, figures, scraped

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "observability"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DASHBOARD = json.loads((FOLDER / "grafana" / "dashboards" / "loans.json").read_text())
ALERTS: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
PROMETHEUS = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
HANDBOOK = (ROOT / "docs" / "operations.md").read_text()
ADDED_BY_PROMETHEUS = {"instance", "job"}
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ASKED = [target["expr"] for panel in PANELS for target in panel["targets"]]
EXPRESSIONS = [*ASKED, *(rule["expr"] for rule in ALERTS)]
WITHIN = ("expr", "lhs", "rhs", "args", "param", "vector_selector")


def parsed(expression: str) -> Any:
    """Raises ValueError for what is no PromQL."""
    return promql_parser.parse(expression.replace("$__rate_interval", "1m"))


def selectors(node: Any) -> Iterator[Any]:
    """Every series that an expression asks for."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in WITHIN:
        inner = getattr(node, name, None)
        for each in inner if isinstance(inner, list) else [inner]:
            if type(each).__module__ == type(node).__module__:
                yield from selectors(each)


@pytest.fixture(scope="module")
def exported(environ: dict[str, str], app: Flask) -> Figures:
    """What a service exports that has just begun, and has had one request of a kind."""
    with app.app_context():
        jobs.note("send_notices", "done", 0.1)
    with served(environ, workers=1) as service, service.client() as client:
        client.get("/loans/")
        client.post("/auth/login", {"email": "nobody@lender.example.com", "password": "x" * 8})
        return figures(scraped(service))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_is_asked_for_is_exported(expression: str, exported: Figures) -> None:
    found = list(selectors(parsed(expression)))
    assert found
    for selector in found:
        if selector.name == "up":
            continue
        of_name = [dict(labels) for name, labels in exported if name == selector.name]
        assert of_name or is_made_by_use(selector.name), selector.name
        known = {label for labels in of_name for label in labels} | ADDED_BY_PROMETHEUS
        asked = {matcher.name for matcher in selector.matchers.matchers}
        assert asked <= known or is_made_by_use(selector.name), selector.name


def is_made_by_use(name: str) -> bool:
    """Look-ups are counted by what is looked up: there are none before the first."""
    return name == "loans_cache_lookups_total"


def test_look_ups_are_exported_once_there_is_one(admin: Caller) -> None:
    for _ in range(2):
        admin.get("/loans/")
    found = {name: dict(labels) for name, labels in figures(admin.get("/metrics").text)}
    assert set(found["loans_cache_lookups_total"]) == {"namespace", "outcome"}


def test_the_parser_sees_every_series() -> None:
    expression = 'topk(3, a{x="1"}) > sum(rate(b[5m])) / (time() - c offset 1h) or absent(-d)'
    assert [each.name for each in selectors(parsed(expression))] == ["a", "b", "c", "d"]


def test_what_may_take_long_is_no_slow_route(app: Flask) -> None:
    routes = {rule.rule for rule in app.url_map.iter_rules()}
    (slow,) = (rule["expr"] for rule in ALERTS if rule["alert"] == "LoansSlow")
    pictures = [expression for expression in ASKED if "route!~" in expression]
    assert pictures
    ends = {"export", "imports", "login"}
    for expression, kept in [(slow, ends), *((each, ends - {"login"}) for each in pictures)]:
        (left_out,) = re.findall(r'route!~"([^"]+)"', expression)
        # Prometheus anchors it.
        found = {route for route in routes if re.fullmatch(left_out, route)}
        assert found == {each for each in routes if each.strip("/").rpartition("/")[2] in kept}
        assert {"/customers/imports", "/console/imports/"} <= found


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_it_means_and_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"]
    section = re.search(rf"^### {rule['alert']}\n\n(.+?)(?=^##|\Z)", HANDBOOK, re.M | re.S)
    assert section is not None
    assert len(section[1]) > 80


def test_the_handbook_speaks_of_no_alert_that_is_gone() -> None:
    named = set(re.findall(r"^### (Loans\w+)$", HANDBOOK, re.M))
    assert named == {rule["alert"] for rule in ALERTS}


def test_the_handbook_says_what_each_figure_means(exported: Figures) -> None:
    ours = {name for name, _ in exported if name.startswith("loans_")}
    told = set(re.findall(r"`(loans_\w+)", HANDBOOK))
    ending = re.compile(r"_(bucket|count|sum|created)$")
    assert {ending.sub("", name) for name in ours} - told == set()


def test_panels_have_names_and_places_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24
    assert all(panel["description"] and panel["fieldConfig"] for panel in PANELS)


def test_the_profile_mounts_what_is_provisioned() -> None:
    prometheus, grafana = (COMPOSE["services"][name] for name in ("prometheus", "grafana"))
    assert prometheus["profiles"] == grafana["profiles"] == ["observability"]
    assert "./deploy/observability:/etc/prometheus/loans:ro" in prometheus["volumes"]
    assert "--config.file=/etc/prometheus/loans/prometheus.yml" in prometheus["command"]
    (job,) = PROMETHEUS["scrape_configs"]
    assert job["dns_sd_configs"][0]["names"][0] in COMPOSE["services"]
    token = Path(job["authorization"]["credentials_file"])
    assert f"${{TOKEN_FILE:-{token}}}" in (FOLDER / "prometheus.sh").read_text()
    assert [mount.split(":")[0] for mount in prometheus["tmpfs"]] == [str(token.parent)]
    assert prometheus["entrypoint"] == ["/bin/sh", "/etc/prometheus/loans/prometheus.sh"]
    # A name alone, so that the stack without the profile asks for neither.
    assert prometheus["environment"] == {"METRICS_TOKEN": None}
    assert grafana["environment"]["GRAFANA_PASSWORD"] is None
    assert grafana["entrypoint"] == ["/bin/sh", "/grafana.sh"]
    assert "./deploy/observability/grafana.sh:/grafana.sh:ro" in grafana["volumes"]
    (provider,) = yaml.safe_load(
        (FOLDER / "grafana/provisioning/dashboards/loans.yml").read_text()
    )["providers"]
    mounted = f"./deploy/observability/grafana/dashboards:{provider['options']['path']}:ro"
    assert mounted in grafana["volumes"]
    (source,) = yaml.safe_load(
        (FOLDER / "grafana/provisioning/datasources/prometheus.yml").read_text()
    )["datasources"]
    assert source["url"] == "http://prometheus:9090"
    uids = {target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]}
    assert uids == {source["uid"]}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool comes with Prometheus")
def test_prometheus_itself_takes_the_rules() -> None:
    checked = subprocess.run(
        ["promtool", "check", "rules", FOLDER / "alerts.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
