"""Which tests stay together when several workers share them."""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

SERVERS = "tests/e2e/"


class ByServers(LoadScopeScheduling):
    """A file's tests, since they share fixtures, and all end-to-end tests, since they share servers; in their order."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        config.option.loadscopereorder = False  # else the files with the longest tests, which are few, come last
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return SERVERS if nodeid.startswith(SERVERS) else nodeid.partition("::")[0]
