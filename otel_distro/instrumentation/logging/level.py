"""LOG_LEVEL: the operator's level of the root logger."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def pin_root_level(level: int) -> Callable[[], None]:
    """Set the root logger's level, and keep it when logging is configured later; returns the undo."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(level)

    def keep(_root: logging.Logger, level: int | str) -> None:
        logging._checkLevel(level)  # type: ignore[attr-defined]  # noqa: SLF001 - a wrong level raises as it did

    root_class, name = type(root), "setLevel"
    setattr(root_class, name, keep)

    def undo() -> None:
        delattr(root_class, name)
        root.setLevel(before)

    return undo
