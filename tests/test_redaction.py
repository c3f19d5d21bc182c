"""What is removed before a value is shown: credentials of endpoints, values of secret keys, words of headers."""

from __future__ import annotations

import pytest

from otel_distro.redaction import endpoint_without_secrets, pairs_without_secrets, secrets_in, without


@pytest.mark.parametrize(
    ("endpoint", "shown"),
    [
        ("http://collector:4318/v1/traces", "http://collector:4318/v1/traces"),
        ("https://ada:hush@collector:4318/in?key=hush#hush", "https://collector:4318/in"),
        ("http://ada:hu/sh@collector:4318", "http://collector:4318"),
        ("http://ada:hush?@collector", "http://collector"),
        ("http://ada:hush@b@collector", "http://collector"),
        ("ada:hush@collector:4317", "collector:4317"),
        ("ftp://ada:hush@collector", "ftp://collector"),
        ("//ada:hush@[", "["),
        ("https://collector/v1/ingest/hush0hush1hush/v1/traces", "https://collector/v1/ingest/***/v1/traces"),
        ("https://collector/api/v1beta1/HushHush-Hush/otlp", "https://collector/api/v1beta1/***/otlp"),
        ("http://collector-1.monitoring.svc:4318/opentelemetry.proto/acme-shop/eu1", None),
        ("hush0hush1hush2", "***"),
        ("localhost", None),
    ],
)
def test_an_endpoint_is_shown_without_credentials(endpoint: str, shown: str | None) -> None:
    """However it is spelt, also where nothing could be sent there."""
    assert endpoint_without_secrets(endpoint) == (shown or endpoint)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("service.version=1.2, deployment.environment.name=prod", None),
        ("service.keyspace=a,host.author=b,monkey=c", None),
        ("0.25", None),
        ("api.key=hush,b=2", "api.key=***,b=2"),
        ("db.password=hush=hush", "db.password=***"),
        ("apiKey=hush,X-Auth-Token=hush,clientSecret=hush", "apiKey=***,X-Auth-Token=***,clientSecret=***"),
        ("db.url=postgres://ada:hush@db/shop,b=2", "db.url=postgres://***@db/shop,b=2"),
        ("endpoint=http://hush@sampler:14250,interval=5", "endpoint=http://***@sampler:14250,interval=5"),
    ],
)
def test_secret_keys_of_a_setting_have_no_value(text: str, shown: str | None) -> None:
    """By the last words of the key; credentials in a URL by themselves; all else stays."""
    assert pairs_without_secrets(text) == (shown or text)


def test_words_of_a_header_are_not_repeated() -> None:
    """Neither the header's value nor its words, unless they are too short to be a secret."""
    secrets = secrets_in(["Bearer hush-hush-hush", "acme"])
    said = "Bearer hush-hush-hush: hush-hush-hush is no token of acme"
    assert without(said, secrets) == "***: *** is no token of acme"
