"""End to end on the real servers: Collector, Prometheus, Loki, Redis, PostgreSQL, and a Tempo if named."""
