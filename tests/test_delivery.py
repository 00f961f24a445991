"""The files that build, start and release the service, checked without Docker or a network."""

import os
import re
import subprocess
import sys
from io import StringIO
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from app import config
from app.local.launcher import WORKER
from app.local.valkey import CONFIG as VALKEY
from app.tasks import SCHEDULE, requeue_stale_imports

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
# What the other programs of the container read: gunicorn, and libpq its password.
READ_BY_OTHERS = {
    *("PORT", "WEB_CONCURRENCY", "GUNICORN_NOTICE_SECONDS", "GUNICORN_MAX_REQUESTS"),
    *("GUNICORN_THREADS", "PGPASSWORD"),
}
IMAGES = {"nginx", "pgbouncer", "postgres", "replica", "redis", "prometheus", "grafana"}
# A container has nothing to debug, and gunicorn makes the folder its workers count in.
NOT_FOR_CONTAINERS = {"DEBUG", "PROFILE", "PROMETHEUS_MULTIPROC_DIR"}
SECRETS = {"SECRET_KEY": "s" * 32, "POSTGRES_PASSWORD": "p@ss/w:rd"}


def run(*command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, **options)


def schema_errors(schema: str, *paths: Path) -> str:
    done = run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *paths)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def jobs_of(name: str) -> dict[str, dict[str, Any]]:
    jobs: dict[str, dict[str, Any]] = yaml.safe_load(
        (ROOT / ".github" / "workflows" / name).read_text()
    )["jobs"]
    return jobs


def final_stage() -> list[str]:
    """The instructions of the Dockerfile's last stage, continuation lines joined."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return lines[max(at for at, line in enumerate(lines) if line.startswith("FROM ")) :]


def example() -> str:
    return (ROOT / ".env.example").read_text()


def named_in_the_example() -> set[str]:
    """Every variable of .env.example, those commented out included."""
    return set(re.findall(r"^#?\s*([A-Z][A-Z0-9_]+)=", example(), re.M))


def environment_of_web(dotenv: dict[str, str]) -> dict[str, str]:
    """What compose gives to web when .env holds `dotenv`."""

    def value_of(match: re.Match[str]) -> str:
        name, operator, rest = match.groups()
        return dotenv.get(name) or (rest if operator == ":-" else "")

    given = {}
    for name, value in SERVICES["web"]["environment"].items():
        if value is not None:
            given[name] = re.sub(r"\$\{(\w+)(:[-?])?([^}]*)\}", value_of, value)
        elif name in dotenv:
            given[name] = dotenv[name]
    return given


def test_the_compose_file_follows_the_compose_specification() -> None:
    assert schema_errors("vendor.compose-spec", ROOT / "docker-compose.yml") == ""


def test_the_workflows_follow_the_workflow_schema() -> None:
    assert schema_errors("vendor.github-workflows", *WORKFLOWS) == ""


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    done = run(Path(sys.executable).with_name("hadolint"), "--no-color", ROOT / "Dockerfile")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("shell", "script"),
    [
        ("bash", "release.sh"),
        *(("sh", f"{name}.sh") for name in ("entrypoint", "lock", "pgbouncer", "replica")),
        ("sh", "nginx/nginx.sh"),
        *(("sh", f"observability/{name}.sh") for name in ("grafana", "prometheus")),
    ],
)
def test_a_script_is_executable_and_its_shell_can_read_it(shell: str, script: str) -> None:
    path = ROOT / "deploy" / script
    assert os.access(path, os.X_OK)
    assert run(shell, "-n", path).stderr == ""


def test_the_image_does_not_run_as_root() -> None:
    users = [line.split()[1] for line in final_stage() if line.startswith("USER ")]
    uids = [line.split("=")[1] for line in final_stage() if line.startswith("ARG UID=")]
    assert users[-1:] == ["${UID}:${UID}"]
    assert int(uids[0]) >= 10_000


def test_the_image_is_left_without_an_installer() -> None:
    stage = "\n".join(final_stage())
    assert "pip uninstall --yes pip setuptools wheel" in stage
    assert "rm -rf" in stage
    assert "ensurepip" in stage
    assert not re.search(r"pip install|apt-get|apk add", stage)


def test_the_image_installs_the_services_requirements_and_no_others() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert set(re.findall(r"requirements[\w.-]*", text)) == {"requirements.lock"}
    assert "pip install --no-cache-dir --require-hashes" in text


def test_the_image_starts_the_server_in_exec_form_through_the_entrypoint() -> None:
    stage = final_stage()
    assert 'ENTRYPOINT ["deploy/entrypoint.sh"]' in stage
    assert 'CMD ["python", "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]' in stage
    assert "STOPSIGNAL SIGTERM" in stage


def test_the_image_takes_itself_for_production_when_nothing_is_said() -> None:
    assert "APP_ENV=production" in "\n".join(final_stage())


def test_the_build_context_holds_what_the_dockerfile_copies_and_nothing_unnamed() -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [rule for rule in rules if rule and not rule.startswith("#")]
    copied = {
        source
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    }
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied
    assert [path for path in copied if not (ROOT / path).exists()] == []


def test_compose_publishes_nginxs_port_and_grafanas_alone_and_on_loopback() -> None:
    assert {name: service["ports"] for name, service in SERVICES.items() if "ports" in service} == {
        "nginx": ["127.0.0.1:${PORT:-8000}:8080"],
        "grafana": ["127.0.0.1:${GRAFANA_PORT:-3000}:3000"],
    }


def test_only_who_serves_or_mails_is_on_a_network_that_leads_anywhere() -> None:
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert {
        name: {*each["networks"]}
        for name, each in SERVICES.items()
        if each["networks"] != ["inside"]
    } == {
        "grafana": {"inside", "outside"},  # to be reached
        "nginx": {"edge"},
        "web": {"edge", "inside"},
        "worker": {"inside", "outside"},
    }


def test_the_web_processes_believe_nginx_and_nobody_beside_it_on_its_network() -> None:
    nginx = ip_address(SERVICES["nginx"]["networks"]["edge"]["ipv4_address"])
    (edge,) = COMPOSE["networks"]["edge"]["ipam"]["config"]
    assert nginx in ip_network(edge["subnet"])
    # Nobody else is given it, who started first.
    assert nginx not in ip_network(edge["ip_range"])
    assert ip_address(edge["gateway"]) not in ip_network(edge["ip_range"])
    believed = settings_of_web({}).trusted_proxies
    assert believed == (ip_network(nginx),)


def test_a_proxy_that_is_named_is_told_to_nginx_and_does_not_take_its_place() -> None:
    named = "192.0.2.7, 10.0.0.0/8"
    alone = settings_of_web({}).trusted_proxies
    believed = settings_of_web({"TRUSTED_PROXIES": named}).trusted_proxies
    assert believed == (*alone, ip_network("192.0.2.7"), ip_network("10.0.0.0/8"))
    with pytest.raises(config.UnsafeSettings):
        settings_of_web({"TRUSTED_PROXIES": "0.0.0.0/0"})
    assert SERVICES["nginx"]["environment"] == {"TRUSTED_PROXIES": "${TRUSTED_PROXIES:-}"}


def test_the_limits_of_the_database_are_pgbouncers_and_the_replicas_too() -> None:
    limits = {"DATABASE_LOCK_TIMEOUT_MS", "DATABASE_STATEMENT_TIMEOUT_MS"}
    for name in ("web", "pgbouncer"):
        given = SERVICES[name]["environment"]
        assert {each: given[each] for each in limits} == dict.fromkeys(limits)
    assert SERVICES["replica"]["environment"]["DATABASE_STATEMENT_TIMEOUT_MS"] is None


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_health_check_or_ends_by_itself(name: str) -> None:
    assert "healthcheck" in SERVICES[name] or SERVICES[name]["restart"] == "no"


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    # Compose copies those into the container, and cannot where it is read-only.
    assert service.keys().isdisjoint(("secrets", "configs"))
    assert {"mem_limit", "cpus", "pids_limit", "restart"} <= set(service)
    assert {"max-size", "max-file"} <= set(service["logging"]["options"])


def test_nginx_alone_has_capabilities_to_become_another_user() -> None:
    added = {name: each["cap_add"] for name, each in SERVICES.items() if "cap_add" in each}
    assert added == {"nginx": ["CHOWN", "KILL", "SETGID", "SETUID"]}
    nginx = SERVICES["nginx"]
    # As root of all else: what it writes to belongs to root, for it may not write past that.
    assert "user" not in nginx
    (tmp,) = nginx["tmpfs"]
    assert tmp.startswith("/tmp:uid=0,gid=0,mode=0700,")  # noqa: S108
    conf = (ROOT / "deploy" / "nginx" / "nginx.conf").read_text()
    mounted = [mount.split(":")[1] for mount in nginx["volumes"]]
    written = re.findall(r"_temp_path (\S+)/\w+;", conf)
    assert set(written) == {mount for mount in mounted if mount != "/etc/nginx/loans"}
    assert nginx["entrypoint"] == ["/bin/sh", "/etc/nginx/loans/nginx.sh"]


def test_web_starts_after_the_migration_which_starts_after_the_database() -> None:
    after = {name: service.get("depends_on", {}) for name, service in SERVICES.items()}
    assert after["web"]["migrate"]["condition"] == "service_completed_successfully"
    for name, waits_for in {
        "nginx": "web",
        "web": "pgbouncer",
        "worker": "pgbouncer",
        "pgbouncer": "postgres",
        "migrate": "postgres",
        "replica": "postgres",
    }.items():
        assert after[name][waits_for]["condition"] == "service_healthy"


def test_all_but_migrations_go_through_pgbouncer() -> None:
    for name in ("web", "worker", "beat"):
        given = SERVICES[name]["environment"]
        assert "@pgbouncer:6432/" in given["DATABASE_URL"]
        assert given["DATABASE_BEHIND_PGBOUNCER"] == "true"
    given = SERVICES["migrate"]["environment"]
    assert "@postgres:5432/" in given["DATABASE_URL"]
    assert given["DATABASE_BEHIND_PGBOUNCER"] == "false"


def test_there_may_be_several_of_what_keeps_nothing() -> None:
    scaled = {name: each["scale"] for name, each in SERVICES.items() if "scale" in each}
    assert scaled == {"web": "${WEB_REPLICAS:-2}", "worker": "${WORKER_REPLICAS:-1}"}
    for name in scaled:
        assert SERVICES[name].keys().isdisjoint(("ports", "container_name"))


def test_the_replica_is_started_when_it_is_asked_for() -> None:
    assert {name: each["profiles"] for name, each in SERVICES.items() if "profiles" in each} == {
        "replica": ["replica"],
        "prometheus": ["observability"],
        "grafana": ["observability"],
    }
    assert SERVICES["replica"]["image"] == SERVICES["postgres"]["image"]
    assert "replication" in (ROOT / "deploy" / "pg_hba.conf").read_text()


@pytest.mark.parametrize("name", SERVICES)
def test_every_file_that_is_mounted_is_there(name: str) -> None:
    mounts = [mount.split(":") for mount in SERVICES[name].get("volumes", [])]
    files = [mount for mount in mounts if mount[0].startswith(".")]
    assert all((ROOT / path).exists() and mode == "ro" for path, _, mode in files)
    assert {path for path, *_ in mounts if not path.startswith(".")} <= set(COMPOSE["volumes"])


def test_the_workers_are_the_service_started_otherwise_and_after_the_migration() -> None:
    for name in ("worker", "beat"):
        service = SERVICES[name]
        assert service["image"] == SERVICES["web"]["image"]
        assert service["command"][:6] == ["python", "-m", "celery", "--quiet", "-A", "celery_app"]
        assert service["command"][6] == name
        assert service["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert "celery_app.py" in (ROOT / "Dockerfile").read_text()


def test_the_worker_is_started_as_the_launcher_starts_it() -> None:
    started = [word for word in WORKER if word != "--beat"]
    assert SERVICES["worker"]["command"][3:] == started


@pytest.mark.parametrize(
    ("name", "every"), [("worker", 2.0), ("beat", SCHEDULE[requeue_stale_imports])]
)
def test_a_health_check_waits_for_two_signs_of_life_at_least(name: str, every: float) -> None:
    _, *command, seconds = SERVICES[name]["healthcheck"]["test"]
    assert command == ["python", "deploy/alive.py"]
    assert float(seconds) > 2 * every
    pulse = Path(SERVICES[name]["environment"]["CELERY_PULSE_FILE"])
    assert str(pulse.parent) == SERVICES[name]["tmpfs"][0].split(":")[0]


def test_a_full_cache_pushes_no_message_out() -> None:
    command = SERVICES["redis"]["command"]
    assert command[command.index("--maxmemory-policy") + 1] == "volatile-lru"
    assert "maxmemory-policy volatile-lru" in VALKEY


def test_the_cache_may_be_emptied_without_the_messages() -> None:
    given = environment_of_web({})
    assert given["USE_CELERY"] == "true"
    assert given["CELERY_BROKER_URL"].rpartition("/")[0] == given["REDIS_URL"].rpartition("/")[0]
    assert given["CELERY_BROKER_URL"] != given["REDIS_URL"]


def test_the_database_lives_in_a_named_volume() -> None:
    mounts = dict(mount.split(":")[:2] for mount in SERVICES["postgres"]["volumes"])
    assert mounts["postgres-data"] == "/var/lib/postgresql"


def test_every_image_that_is_not_built_here_has_a_version() -> None:
    images = {name: each["image"] for name, each in SERVICES.items() if "build" not in each}
    assert set(images) == IMAGES
    assert [image for image in images.values() if not re.search(r":v?\d[\w.-]*$", image)] == []


def test_no_secret_has_a_default() -> None:
    secrets = re.findall(r"\$\{(\w*(?:SECRET|PASSWORD|TOKEN)\w*)(.{0,2})", COMPOSE_TEXT)
    assert {name for name, _ in secrets} == set(SECRETS)
    assert {operator for _, operator in secrets} == {":?"}


def test_the_example_names_every_variable_that_compose_asks_for() -> None:
    asked = set(re.findall(r"\$\{(\w+)", COMPOSE_TEXT)) - {"LOAN_IMAGE", "BASE_IMAGE", "STACK_ENV"}
    assert asked - named_in_the_example() == set()


def test_every_variable_that_compose_gives_to_web_is_one_that_is_read() -> None:
    given = set(SERVICES["web"]["environment"])
    assert given - set(config.VARIABLES) - READ_BY_OTHERS == set()


def test_every_setting_of_the_service_can_be_set_through_compose() -> None:
    given = set(SERVICES["web"]["environment"])
    assert set(config.VARIABLES) - given - NOT_FOR_CONTAINERS == set()


def settings_of_web(dotenv: dict[str, str]) -> config.Settings:
    return config.load(environment_of_web({**SECRETS, **dotenv}))


def test_the_example_with_its_secrets_filled_in_starts_in_production() -> None:
    filled = dotenv_values(stream=StringIO(example()))
    values = {name: value or "" for name, value in filled.items()}
    settings = config.load(environment_of_web({**values, **SECRETS}))
    assert settings.app_env == config.Environment.PRODUCTION
    assert "@pgbouncer:6432/" in settings.database_url


def target_of(ref: str, tmp_path: Path) -> str | None:
    """The environment that deploy.yml chooses for a ref: its own shell step is run."""
    steps = jobs_of("deploy.yml")["target"]["steps"]
    (script,) = (step["run"] for step in steps if step.get("id") == "choose")
    output = tmp_path / "output"
    env = {"GITHUB_REF": ref, "GITHUB_OUTPUT": str(output), "PATH": os.environ["PATH"]}
    if run("bash", "-e", "-c", script, env=env).returncode != 0:
        return None
    return output.read_text().strip().removeprefix("environment=")


@pytest.mark.parametrize(
    ("ref", "environment"),
    [
        ("refs/heads/develop", "staging"),
        ("refs/heads/main", "production"),
        ("refs/heads/main-fix", None),
        ("refs/pull/1/merge", None),
        ("refs/tags/main", None),
    ],
)
def test_develop_goes_to_staging_main_to_production_and_nothing_else_anywhere(
    ref: str, environment: str | None, tmp_path: Path
) -> None:
    assert target_of(ref, tmp_path) == environment


def inside(folder: str) -> list[str]:
    """All that lies in it, from the project's folder on; nothing in a file."""
    return [str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*")]


@pytest.mark.parametrize("umask", ["022", "077"])
def test_a_release_sends_all_that_compose_mounts(tmp_path: Path, umask: str) -> None:
    (step,) = (
        step["run"]
        for step in jobs_of("deploy.yml")["release"]["steps"]
        if "tar" in step.get("run", "")
    )
    ssh = tmp_path / "ssh"
    ssh.write_text(f'#!/bin/sh\numask {umask}\nshift\neval "$*"\n')
    ssh.chmod(0o755)
    host = tmp_path / "on the host"
    host.mkdir()
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "DEPLOY_PATH": str(host), "TARGET": "host"}
    done = run("bash", "-euo", "pipefail", "-c", step, env=env, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    mounts = [
        mount.split(":")[0] for each in SERVICES.values() for mount in each.get("volumes", [])
    ]
    sent = [*(path for path in mounts if path.startswith(".")), "deploy/release.sh"]
    for path in (Path(each) for named in sent for each in (named, *inside(named))):
        assert (host / path).exists(), path
        assert (host / path).stat().st_mode == (ROOT / path).stat().st_mode
    assert "tar -C $at -xpf -" in step  # to root it is the same without the p
    assert (host / "docker-compose.yml").read_text() == COMPOSE_TEXT


def test_a_release_runs_in_the_environment_chosen_and_one_at_a_time() -> None:
    release = jobs_of("deploy.yml")["release"]
    chosen = "${{ needs.target.outputs.environment }}"
    assert release["environment"]["name"] == chosen
    assert release["concurrency"] == {"group": f"deploy-{chosen}", "cancel-in-progress": False}


def test_nothing_is_built_or_deployed_before_lint_and_tests_pass() -> None:
    jobs = jobs_of("ci.yml")
    assert set(jobs["image"]["needs"]) == {"lint", "test", "older-postgresql"}
    assert jobs["deploy"]["needs"] == "image"
    assert jobs["deploy"]["uses"] == "./.github/workflows/deploy.yml"
    assert "make lint" in [step.get("run") for step in jobs["lint"]["steps"]]
    assert "make test" in [step.get("run") for step in jobs["test"]["steps"]]


def test_a_pull_request_neither_pushes_nor_deploys() -> None:
    jobs = jobs_of("ci.yml")
    pushing = [step for step in jobs["image"]["steps"] if step.get("with", {}).get("push")]
    assert [step["if"] for step in pushing] == ["github.event_name == 'push'"]
    assert "github.event_name == 'push'" in jobs["deploy"]["if"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read_but_for_the_job_that_pushes(path: Path) -> None:
    flow = yaml.safe_load(path.read_text())
    writing = {
        (name, scope)
        for name, job in flow["jobs"].items()
        for scope, grant in job.get("permissions", {}).items()
        if grant == "write"
    }
    assert flow["permissions"] == {"contents": "read"}
    assert writing == ({("image", "packages")} if path.name == "ci.yml" else set())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_puts_no_expression_into_a_shell_script(path: Path) -> None:
    steps = [step for job in jobs_of(path.name).values() for step in job.get("steps", [])]
    assert [step["run"] for step in steps if "${{" in step.get("run", "")] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_and_every_job_has_a_time_limit(path: Path) -> None:
    used = re.findall(r"uses: ([^.\s]\S*)", path.read_text())
    assert [action for action in used if not re.search(r"@(v\d+|[0-9a-f]{40})$", action)] == []
    unlimited = [job for job in jobs_of(path.name).values() if "timeout-minutes" not in job]
    assert [job["name"] for job in unlimited if "uses" not in job] == []


def test_the_hooks_before_a_commit_run_what_lint_runs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.M)
    commands = "\n".join(hook["entry"] for hook in hooks)
    tool = r"-m (ruff check|ruff format --check|mypy)"
    assert lint is not None
    assert re.findall(tool, commands) == re.findall(r"-m (\w.*?)(?: \.)?$", lint[1], re.M)
    assert {hook["language"] for hook in hooks} == {"system"}
