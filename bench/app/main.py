"""`uvicorn main:app`: the reference app as one variant observes it."""

from __future__ import annotations

import setup

setup.logs()
setup.before()

import shop  # noqa: E402 - SDKs are started before what they observe is imported

_shop = shop.Shop(setup.identify)
app = _shop.app
setup.after(app, _shop.engine)
