"""Source text that raises, as modules of an app: the same defect in several releases."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

PAYMENTS = """
def charge(amount):
    if amount < 0:
        raise ValueError(f"bad amount {amount}")
    return parse(amount)


def parse(amount):
    return int(f"{amount} coins")


def refund(amount):
    raise ValueError(f"bad amount {amount}")


def checkout():
    charge(-1)


def renew():
    charge(-2)


def webhook():
    again = lambda: charge(-3)
    again()
"""


def release(folder: Path, source: str = PAYMENTS, name: str = "payments") -> ModuleType:
    """The module as one release has it, in this folder."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def raised(call: Callable[..., object], *arguments: object) -> Exception:
    """What it raises."""
    try:
        call(*arguments)
    except Exception as error:  # noqa: BLE001 - whatever it is
        return error
    message = f"{call} raised nothing"
    raise AssertionError(message)
