"""On an interpreter's path: puts our classes in upstream's place, in its child processes too.

`CONFORMANCE_STANDS_IN` names the modules beside this one that do it, by being imported.
"""

from __future__ import annotations

import os
from importlib import import_module

for _name in os.environ["CONFORMANCE_STANDS_IN"].split(","):
    import_module(_name)
