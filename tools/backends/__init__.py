"""The real servers that the end-to-end tests run against, built or found by pinned version.

``python -m tools.backends build`` compiles the Collector, Prometheus and Loki from the Go module registry
into a cache outside the tree; Redis and PostgreSQL come from Debian. Standard library only.
"""

from tools.backends.compile import build, program
from tools.backends.debian import server
from tools.backends.error import BackendError
from tools.backends.pins import BACKENDS, Backend

__all__ = ["BACKENDS", "Backend", "BackendError", "build", "program", "server"]
