"""The native encoders, where they were built with the package: the bytes of their Python twins, in less time."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

from otel_distro import config

MODULE = "_otel_distro_native"
INTERFACE = 1
"""What the extension must offer; one that was built with other sources is not used."""
_logger = logging.getLogger("otel_distro")


def extension() -> Any:
    """The extension in use, or None: it was not built, or is switched off by `OTEL_DISTRO_NATIVE`."""
    if config.current().native == "off":
        return None
    try:
        module = import_module(MODULE)
    except ModuleNotFoundError:
        return None
    except ImportError as error:
        _logger.warning("The native encoders can't be loaded, the Python ones serve: %s", error)
        return None
    return module if getattr(module, "INTERFACE", None) == INTERFACE else None


def is_active() -> bool:
    """Whether the native encoders are in use."""
    return extension() is not None
