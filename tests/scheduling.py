"""Which tests stay together when several workers share them, and which begin."""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

SERVERS = "tests/e2e/"
LONGEST = ("tests/reliability/", SERVERS, "tests/behaviour/")
"""They take a minute or more each."""


class ByServers(LoadScopeScheduling):
    """A file's tests, since they share fixtures, and all end-to-end tests, since they share servers; in their order."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        config.option.loadscopereorder = False  # else the files with the most tests, which are short, begin
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return SERVERS if nodeid.startswith(SERVERS) else nodeid.partition("::")[0]


def long_ones_first(items: list[pytest.Item]) -> None:
    """So that at the end no worker is left alone with a long one."""
    items.sort(key=lambda item: next((at for at, name in enumerate(LONGEST) if item.nodeid.startswith(name)), 99))
