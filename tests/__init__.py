"""The tests: they mirror the package; e2e and backends are about the real servers."""
