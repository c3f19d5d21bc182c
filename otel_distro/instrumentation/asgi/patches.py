"""Patches: attributes of other libraries' classes that we replaced, and how to put them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Patches:
    """Replaces attributes once each; `undo` restores those that nobody has replaced since."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, str], tuple[Any, Any, Any]] = {}

    def replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Put `make(original)` in the place of a class's own attribute; a second call for it does nothing."""
        key = (id(owner), name)
        original = vars(owner).get(name)
        if original is None or key in self._made:
            return
        replacement = make(original)
        setattr(owner, name, replacement)
        self._made[key] = (owner, original, replacement)

    def undo(self) -> None:
        """Put the originals back; what another party wrapped since stays, and ours in it does nothing."""
        for (_, name), (owner, original, replacement) in reversed(self._made.items()):
            if vars(owner).get(name) is replacement:
                setattr(owner, name, original)
        self._made.clear()
