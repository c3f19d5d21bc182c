"""Which frames of a stack are the app's own: not the interpreter's, an installed library's, or ours."""

from __future__ import annotations

import sysconfig
from os import sep
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_INSTALLED = (f"{sep}site-packages{sep}", f"{sep}dist-packages{sep}")
_INTERPRETER = tuple(sysconfig.get_path(name) + sep for name in ("stdlib", "platstdlib") if sysconfig.get_path(name))
_OURS = f"{Path(__file__).parents[1].absolute()}{sep}"
_MAX_KNOWN = 4096


class InApp:
    """Tells by module and file. `named`: modules that count as the app's; with a `-` before it, that do not."""

    def __init__(self, named: tuple[str, ...] = ()) -> None:
        self._not = tuple(name[1:] for name in named if name.startswith("-"))
        self._too = tuple(name for name in named if not name.startswith("-"))
        self._known: dict[tuple[str, str], bool] = {}

    def __contains__(self, frame: FrameType) -> bool:
        """Whether this frame's code is the app's."""
        key = (module_of(frame), frame.f_code.co_filename)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            known = self._known[key] = self._judge(*key)
        return known

    def _judge(self, module: str, path: str) -> bool:
        if _is_below(module, self._not):
            return False
        return _is_below(module, self._too) or _is_own(path)


def module_of(frame: FrameType) -> str:
    """Name of the module whose code it runs."""
    return str(frame.f_globals.get("__name__") or "")


def _is_below(module: str, names: tuple[str, ...]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def _is_own(path: str) -> bool:
    if path.startswith("<"):
        return path in ("<stdin>", "<string>")
    path = str(Path(path).absolute())
    return not (path.startswith((*_INTERPRETER, _OURS)) or any(part in path for part in _INSTALLED))
