"""The version, read by the build and sent as `telemetry.distro.version`."""

from __future__ import annotations

__version__ = "0.1.0"
