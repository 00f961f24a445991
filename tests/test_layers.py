"""The walls of the house: who may import whom, who may commit, who reads the environment."""

import ast
from collections.abc import Iterator
from enum import EnumMeta
from pathlib import Path

import pytest

import app.models

APP = Path(__file__).parents[1] / "app"
MAY_IMPORT = {
    "routes": {"routes", "web", "schemas", "services", "errors"},
    "web": {"web", "services", "schemas", "errors", "cache", "config", "masks"},
    "console": {"console", "web", "schemas", "services", "errors", "config"},
    "cli": {"cli", "web", "schemas", "services", "errors"},
    "schemas": {"schemas", "models"},
    "services": {
        "services",
        "rules",
        "models",
        "db",
        "driver",
        "engines",
        "reading",
        "refusals",
        "cache",
        "mail",
        "background",
        "queue",
        "errors",
        "config",
    },
    "tasks": {"tasks", "queue", "services", "engines", "errors", "config"},
    "queue": {"queue", "background", "cache", "errors", "config"},
    "models": {"models", "errors", "db", "refusals"},
    "rules": {"rules"},
    "local": {"local"},
    "db": {"connections", "driver", "insertion", "sessions", "refusals", "config"},
    "sessions": set(),
    "engines": {"connections", "db", "pool", "errors", "config"},
    "driver": {"refusals", "errors"},
    "insertion": set(),
    "pool": set(),
    "refusals": {"errors"},
    "reading": {"db", "driver", "refusals"},
    "connections": {"config"},
    "cache": {"cache", "config"},
    "mail": {"config"},
    "background": set(),
    "errors": {"errors"},
    "masks": set(),
    "telemetry": {"telemetry", "config", "driver", "masks"},
    "config": {"config", "rules"},
}
MODULES = sorted(APP.rglob("*.py"))


def room(module: Path) -> str:
    return module.relative_to(APP).parts[0].removesuffix(".py")


def imported_rooms(module: Path) -> Iterator[str]:
    """The rooms of app that a module imports from, wherever in its syntax tree it does so."""
    for node in ast.walk(ast.parse(module.read_text())):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            whole_app = node.module == "app"
            names = [f"app.{name.name}" for name in node.names] if whole_app else [node.module]
        elif isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith("app."))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(APP)))
def test_imports_point_down_only(module: Path) -> None:
    if module == APP / "__init__.py":
        return  # create_app wires every room
    assert set(imported_rooms(module)) <= MAY_IMPORT[room(module)]


def test_no_relative_import_goes_around_the_walls() -> None:
    relative = [
        node
        for module in APP.rglob("*.py")
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_only_db_commits() -> None:
    committing = [
        module.name
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "commit"
    ]
    assert committing == ["db.py"]


def test_only_config_reads_the_environment() -> None:
    reading = {
        str(module.relative_to(APP))
        for module in MODULES
        if room(module) != "local"
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv")
    }
    assert reading == {"config/__init__.py"}


def test_only_the_broker_and_the_tasks_know_celery() -> None:
    knowing = {
        str(module.relative_to(APP))
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.ImportFrom | ast.Import)
        for name in (getattr(node, "module", None), *(each.name for each in node.names))
        if name and name.partition(".")[0] in ("celery", "kombu", "billiard")
    }
    assert {module for module in knowing if not module.startswith("tasks/")} == {
        "queue/__init__.py",  # for a type
        "queue/broker.py",
    }


def test_schemas_take_only_enumerations_from_the_models() -> None:
    taken = {
        name.name
        for module in (APP / "schemas").glob("*.py")
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "app.models"
        for name in node.names
    }
    assert taken
    assert all(isinstance(getattr(app.models, name), EnumMeta) for name in taken)


def test_rules_know_no_clock() -> None:
    calls = {
        node.attr
        for module in (APP / "rules").glob("*.py")
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Attribute)
    }
    assert not calls & {"now", "utcnow", "today", "time", "perf_counter"}


def test_only_the_ledger_moves_money() -> None:
    """Whoever set a balance elsewhere would leave the entries behind."""
    stored = {
        (module.name, node.attr)
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    named = {
        (module.name, keyword.arg)
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) in ("Account", "Loan")
        for keyword in node.keywords
    }
    written = {module for module, name in stored | named if name in ("outstanding", "balance")}
    assert written == {"ledger.py"}


def test_only_the_ledger_books() -> None:
    booking = {
        module.name
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) in ("Entry", "Journal")
    }
    assert booking == {"ledger.py"}
