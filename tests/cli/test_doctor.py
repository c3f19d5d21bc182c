"""`otel-distro doctor`: what an app in this environment would have, by the code that gives it, and what is wrong."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from otel_distro import config
from otel_distro.cli.doctor import size
from otel_distro.doctor.exporters import probes
from otel_distro.doctor.exporters import problems as export_problems
from otel_distro.doctor.settings import in_force
from otel_distro.doctor.settings import problems as setting_problems
from tests.cli.conftest import COMMAND
from tests.exporter.grpc_server import GrpcServer
from tests.exporter.server import OtlpServer, Reply
from tests.instrumented import NOTHING, PROGRAMS, environment

pytestmark = pytest.mark.integration

SCRIPT = """
from opentelemetry.util._importlib_metadata import entry_points
import fastapi, sqlalchemy, celery, httpx, structlog, loguru
for one in entry_points(group="opentelemetry_instrumentor"):
    if one.load()().is_instrumented_by_opentelemetry:
        print("on", one.value)
"""
HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


class Doctor:
    """What the command said in an environment."""

    def __init__(self, *arguments: str, **environ: str) -> None:
        done = subprocess.run(
            [COMMAND, "doctor", *arguments],
            env=environment(**environ),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=PROGRAMS,
        )
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def report(self) -> dict[str, Any]:
        """The JSON object."""
        made: dict[str, Any] = json.loads(self.out)
        return made

    @property
    def problems(self) -> list[str]:
        """What is wrong, as `about: text`."""
        return ["{about}: {text}".format(**one) for one in self.report["problems"]]

    def instrumentation(self, name: str, package: str = "otel-distro") -> dict[str, Any]:
        """One of the installed instrumentations."""
        (found,) = (one for one in self.report["instrumentations"] if (one["name"], one["package"]) == (name, package))
        return dict(found)


@pytest.fixture
def server() -> Iterator[OtlpServer]:
    """A collector on a free port."""
    with OtlpServer().running() as running:
        yield running


def examined(server: OtlpServer, folder: Path, *arguments: str, **more: str) -> Doctor:
    """The command with a collector that answers, and a cache of its own."""
    return Doctor(*arguments, **{ENDPOINT: server.url, "OTEL_DISTRO_CACHE_DIR": str(folder), **more})


# -- the whole command


def test_a_sound_environment_has_no_problems(server: OtlpServer, tmp_path: Path) -> None:
    """Exit code 0, and each part of the report is there; each signal's endpoint took an empty request."""
    doctor = examined(server, tmp_path, "--json")
    report = doctor.report
    assert (doctor.code, report["ok"], doctor.problems, doctor.err) == (0, True, [], "")
    assert [*report] == [
        *("ok", "versions", "settings", "instrumentations", "exporters", "spool", "others", "problems"),
    ]
    assert {one["signal"]: one["answers"] for one in report["exporters"]} == dict.fromkeys(config.SIGNALS, True)
    assert sorted((one.path, one.payload) for one in server.received) == [
        (f"/v1/{signal}", b"") for signal in ("logs", "metrics", "traces")
    ]
    assert report["versions"]["packages"]["opentelemetry-sdk"]
    assert report["spool"]["waiting"][0] == {
        "signal": "traces",
        "files": 0,
        "bytes": 0,
        "oldest_seconds": 0.0,
        "elsewhere": 0,
    }


def test_what_is_on_is_what_the_loader_switches_on(server: OtlpServer, tmp_path: Path) -> None:
    """In the doctor's eyes as in a process under `opentelemetry-instrument`, ours and upstream's."""
    more = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "loguru", "OTEL_DISTRO_UPSTREAM_INSTRUMENTATION": "httpx"}
    doctor = examined(server, tmp_path, "--json", **more)
    command = [PROGRAMS / "opentelemetry-instrument", PROGRAMS / "python", "-c", SCRIPT]
    said = subprocess.run(command, env=environment(**NOTHING, **more), capture_output=True, text=True, check=True)
    on = {line.partition(" ")[2] for line in said.stdout.splitlines() if line.startswith("on ")}
    on.discard("opentelemetry.instrumentation.sqlalchemy:SQLAlchemyInstrumentor")  # imported, it answers for ours
    assert {one["entry_point"] for one in doctor.report["instrumentations"] if one["on"]} == on
    assert doctor.instrumentation("loguru")["reason"] == "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS names it"
    assert doctor.instrumentation("httpx")["reason"] == "OTEL_DISTRO_UPSTREAM_INSTRUMENTATION names it"
    assert doctor.instrumentation("httpx", "opentelemetry-instrumentation-httpx")["on"]
    fastapi = doctor.instrumentation("fastapi", "opentelemetry-instrumentation-fastapi")
    assert fastapi["reason"] == "otel-distro has its own"
    assert (doctor.code, doctor.problems) == (0, [])


def test_what_fails_is_a_problem(server: OtlpServer, tmp_path: Path) -> None:
    """A library that can't be imported, one that is not as our hook knows it, and a version that nobody covers."""
    _module(tmp_path, "loguru/__init__.py", "raise RuntimeError('broken')")
    _module(tmp_path, "structlog/__init__.py", "")
    _module(tmp_path, "structlog/_base.py", "class Changed: pass")
    _installed(tmp_path, "celery", "4.0")
    doctor = examined(server, tmp_path, "--json", PYTHONPATH=str(tmp_path))
    assert doctor.code == 1
    assert not doctor.instrumentation("loguru")["on"]
    assert "instrumentations: loguru: loguru._logger can't be imported: RuntimeError: broken" in doctor.problems
    assert "instrumentations: structlog: its hook in structlog._base failed" in doctor.problems
    assert "instrumentations: celery: ours covers celery>=5.4, installed is 4.0" in doctor.problems


def test_others_are_named(server: OtlpServer, tmp_path: Path) -> None:
    """A vendor's SDK is told of; a distribution that may be loaded instead of ours is a problem until ours is named."""
    _installed(tmp_path, "ddtrace", "3.0")
    _installed(tmp_path, "their-distro", "1.0", "[opentelemetry_distro]\ntheirs = theirs:Distro\n")
    base = "opentelemetry.instrumentation.distro"
    _module(tmp_path, "theirs.py", f"from {base} import DefaultDistro\nclass Distro(DefaultDistro): pass")
    doctor = examined(server, tmp_path, "--json", PYTHONPATH=str(tmp_path))
    assert doctor.code == 1
    assert [one["package"] for one in doctor.report["others"]] == ["ddtrace", "their-distro"]
    assert [one for one in doctor.problems if "set OTEL_PYTHON_DISTRO=otel_distro" in one] == doctor.problems
    named = examined(server, tmp_path, "--json", PYTHONPATH=str(tmp_path), OTEL_PYTHON_DISTRO="otel_distro")
    assert (named.code, named.problems) == (0, [])


def test_it_reads_well_and_keeps_secrets(server: OtlpServer, tmp_path: Path) -> None:
    """In a terminal: what is set with its source, what waits on disk, and each problem on a line; no secret."""
    script = "import logging; logging.getLogger('app').warning('a line')"
    away = {ENDPOINT: "http://ada:s3cret@127.0.0.1:9", "OTEL_DISTRO_CACHE_DIR": str(tmp_path)}
    secrets = {HEADERS: "authorization=Bearer%20s3cret", "OTEL_DISTRO_IDENTITY_KEY": "s3cret"}
    command = [PROGRAMS / "opentelemetry-instrument", PROGRAMS / "python", "-c", script]
    subprocess.run(command, env=environment(**away, **secrets), capture_output=True, check=True)
    waiting = sum(path.stat().st_size for path in (tmp_path / "spool").glob("logs-*/*/*-*.*"))
    doctor = Doctor("--timeout", "1", **away, **secrets, OTEL_DISTRO_SPOL_RATE="1MiB", LOG_LEVEL="loud")
    assert doctor.code == 1
    assert "s3cret" not in doctor.out + doctor.err
    assert "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" in doctor.out
    assert waiting > 0
    assert f"  logs: {size(waiting)}, the oldest 0:00:0" in doctor.out
    assert "for other endpoints" not in doctor.out
    lines = doctor.out.splitlines()
    assert "PROBLEM  settings: OTEL_DISTRO_SPOL_RATE is no setting; OTEL_DISTRO_SPOOL_RATE is one" in lines
    assert [line for line in lines if line.startswith("PROBLEM  exporters: traces would not be delivered: http://127.")]
    assert [line for line in lines if line.startswith("PROBLEM  settings: LOG_LEVEL='loud' is ignored")]
    changed = Doctor("--timeout", "1", **{**away, ENDPOINT: "http://127.0.0.1:10"})
    assert f"; {size(waiting)} for other endpoints, or with other headers, than set now" in changed.out
    assert "PROBLEM  spool" not in changed.out


@pytest.mark.parametrize("json_or_not", [("--json",), ()])
def test_no_secret_is_shown(tmp_path: Path, json_or_not: tuple[str, ...]) -> None:
    """Of URLs, headers, attributes, a sampler's argument; also where they make no sense, or are repeated to us."""
    with OtlpServer().running() as server:
        server.replies = [Reply(401, body=b"no token s3cret-of-headers")]
        doctor = Doctor(
            *json_or_not,
            OTEL_DISTRO_CACHE_DIR=str(tmp_path),
            OTEL_EXPORTER_OTLP_ENDPOINT=server.url.replace("//", "//ada:s3cret@") + "/?key=s3cret#s3cret",
            OTEL_EXPORTER_OTLP_LOGS_ENDPOINT="ada:s3cret@logs:4318",
            OTEL_EXPORTER_OTLP_METRICS_ENDPOINT="http://ada:s3/cret@127.0.0.1:9?s3cret",
            OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20s3cret-of-headers",
            OTEL_EXPORTER_OTLP_LOGS_HEADERS="s3cret",
            OTEL_RESOURCE_ATTRIBUTES="team=payments,api.key=s3cret,db.url=postgres://ada:s3cret@db/shop",
            OTEL_TRACES_SAMPLER_ARG="endpoint=http://ada:s3cret@sampler,token=s3cret",
            OTEL_DISTRO_IDENTITY_KEY="s3cret",
            OTEL_DISTRO_SECRET="s3cret",
        )
    assert doctor.code == 1
    assert "team=payments,api.key=***,db.url=postgres://***@db/shop" in doctor.out
    assert "answered 401 no token ***" in doctor.out
    assert "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT='logs:4318' is ignored" in doctor.out
    assert "s3" not in (doctor.out + doctor.err).lower()


def test_sizes_are_for_reading() -> None:
    """In the largest unit that they fill."""
    assert [size(count) for count in (0, 1023, 1024, 195_828, 256 << 20, 3 << 30)] == [
        *("0 bytes", "1023 bytes", "1 KiB", "191.2 KiB", "256 MiB", "3 GiB"),
    ]


def test_no_telemetry_has_a_reason(tmp_path: Path) -> None:
    """Where all is switched off nothing is asked, no instrumentation is on, and the variable is named."""
    doctor = Doctor("--json", OTEL_SDK_DISABLED="true", OTEL_DISTRO_CACHE_DIR=str(tmp_path))
    assert doctor.code == 1
    assert doctor.problems == ["settings: OTEL_SDK_DISABLED is set: there is no telemetry"]
    assert doctor.report["exporters"] == []
    assert not any(one["on"] for one in doctor.report["instrumentations"])


def _module(folder: Path, name: str, source: str) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(source, "utf-8")


def _installed(folder: Path, name: str, version: str, entry_points: str = "") -> None:
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8")
    (info / "entry_points.txt").write_text(entry_points, "utf-8")


# -- settings


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without our variables."""
    for name in config.names_set("OTEL_"):
        monkeypatch.delenv(name)
    return monkeypatch


def test_each_setting_has_its_source(environ: pytest.MonkeyPatch) -> None:
    """The signal's own variable before the one for all; what can't be understood leaves the default."""
    environ.setenv(ENDPOINT, "http://collector:4318")
    environ.setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://ada:secret@logs:4318/in?key=secret")
    environ.setenv("OTEL_DISTRO_QUIET_ROUTES", "/health,/ready")
    environ.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "many")
    environ.setenv("OTEL_SERVICE_NAME", "orders")
    found = {one.name: one for one in in_force(config.load())}

    def said(name: str) -> tuple[str, str, str]:
        return found[name].value, found[name].source, found[name].variable

    assert said("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == ("http://collector:4318/v1/traces", "environment", ENDPOINT)
    own = "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"
    assert said(own) == ("http://logs:4318/in", "environment", own)
    assert said("OTEL_DISTRO_QUIET_ROUTES") == ("/health,/ready", "environment", "OTEL_DISTRO_QUIET_ROUTES")
    assert said("OTEL_BSP_MAX_EXPORT_BATCH_SIZE") == ("512", "default", "")
    assert said("OTEL_SERVICE_NAME") == ("orders", "environment", "OTEL_SERVICE_NAME")
    assert said("OTEL_DISTRO_ACCESS_LOG") == ("true", "default", "")


def test_secrets_are_masked(environ: pytest.MonkeyPatch) -> None:
    """Of a secret one sees whether it is set."""
    environ.setenv(HEADERS, "authorization=secret")
    found = {one.name: one.value for one in in_force(config.load())}
    assert found["OTEL_EXPORTER_OTLP_TRACES_HEADERS"] == "***"
    assert found["OTEL_DISTRO_IDENTITY_KEY"] == ""


def test_a_misspelt_variable_is_a_problem(environ: pytest.MonkeyPatch) -> None:
    """Of ours; other people's are theirs."""
    environ.setenv("OTEL_DISTRO_ACESS_LOG", "false")
    environ.setenv("OTEL_DISTRO_METRICS_TOKEN", "1")
    environ.setenv("OTEL_WHATEVER", "1")
    assert [problem.text for problem in setting_problems(config.load())] == [
        "OTEL_DISTRO_ACESS_LOG is no setting; OTEL_DISTRO_ACCESS_LOG is one",
        "OTEL_DISTRO_METRICS_TOKEN is no setting",
    ]


# -- exporters


def test_an_endpoint_is_asked_as_the_exporter_would(environ: pytest.MonkeyPatch) -> None:
    """With its headers, by its protocol."""
    with GrpcServer().running() as server:
        environ.setenv(ENDPOINT, server.url)
        environ.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        environ.setenv(HEADERS, "x-tenant=acme")
        found = probes(config.load(), 5)
        assert [(one.signal, one.answers, one.protocol) for one in found] == [
            (signal, True, "grpc") for signal in config.SIGNALS
        ]
        assert {one.headers["x-tenant"] for one in server.received} == {"acme"}
    assert list(export_problems(found)) == []


def test_an_endpoint_that_refuses_is_a_problem(environ: pytest.MonkeyPatch, server: OtlpServer) -> None:
    """What it said, and what to look at."""
    server.replies = [Reply(401, body=b"no token")]
    environ.setenv(ENDPOINT, server.url)
    texts = [one.text for one in export_problems(probes(config.load(), 5))]
    assert len(texts) == 3
    assert all("answered 401 no token (OTEL_EXPORTER_OTLP_HEADERS)" in text for text in texts)


def test_an_endpoint_that_hangs_is_not_waited_for(environ: pytest.MonkeyPatch, server: OtlpServer) -> None:
    """All are asked at the same time, and for no longer than was said."""
    server.replies = [Reply(hang=True)]
    environ.setenv(ENDPOINT, server.url)
    found = probes(config.load(), 0.3)
    assert [one.answers for one in found] == [False] * 3
    assert all("timed out" in one.detail for one in found)
    assert all(one.milliseconds < 2000 for one in found)


def test_other_exporters_are_named(environ: pytest.MonkeyPatch) -> None:
    """Those of other packages are not asked; one that is not installed is a problem."""
    environ.setenv("OTEL_TRACES_EXPORTER", "console")
    environ.setenv("OTEL_METRICS_EXPORTER", "none")
    environ.setenv("OTEL_LOGS_EXPORTER", "nobodys")
    traces, logs = probes(config.load(), 1)
    assert (traces.signal, traces.answers) == ("traces", None)
    assert traces.package.startswith("opentelemetry.sdk")
    assert [one.text for one in export_problems((traces, logs))] == ["logs: there is no exporter nobodys"]
