"""The application's journal, read back, and its comparison with what arrived."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from tests.reliability.arrival import Service


class Ledger:
    """What an application says it did."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._offset = 0
        self.begun: set[str] = set()
        self.done: dict[str, float] = {}
        """Items that are done, and when."""
        self.processes: set[int] = set()
        """The processes that did items, or would have."""
        self.workers: set[int] = set()
        """The processes that did items."""

    def read(self) -> Ledger:
        """Read what is new."""
        if self.file.exists():
            with self.file.open("rb") as file:
                file.seek(self._offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._offset += len(line)
                    self._take(*line.decode().split())
        return self

    def _take(self, what: str, process: str, time: str, item: str) -> None:
        self.processes.add(int(process))
        if what == "begun":
            self.begun.add(item)
        elif what == "done":
            self.done[item] = float(time)
            self.workers.add(int(process))


@dataclass
class Outcome:
    """One row of the matrix, and what is wrong with it."""

    name: str
    ledger: Ledger
    arrived: int = 0
    until: float = inf
    """What was done later may be lost."""
    compared: bool = False
    """It came so far as that."""
    problems: list[str] = field(default_factory=list)

    @property
    def sent(self) -> int:
        """How many items the application says are done."""
        return len(self.ledger.done)

    @property
    def promised(self) -> set[str]:
        """What is done, and can't be lost."""
        return {item for item, done in self.ledger.done.items() if done < self.until}

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.compared and not self.problems

    def compare_items(self, service: Service, *, derived: bool) -> None:
        """What is done has arrived once, in each way; what was only begun, once at most."""
        self.compared = True
        ways = {"spans": service.spans, "lines": service.lines}
        if derived:
            ways["derived lines"] = service.completed
        self.arrived = sum(all(came[item] == 1 for came in ways.values()) for item in self.ledger.done)
        for what, came in ways.items():
            self._note(f"{what} missing", (item for item in self.promised if not came[item]))
            self._note(f"{what} from nowhere", (item for item in came if item not in self.ledger.begun))
            self._note(f"{what} more than once", _repeated(came))
        self._note("span ids more than once", _repeated(service.span_ids))

    def compare_count(self, what: str, count: float, late: float = 0.0) -> None:
        """A count lies between what is done, so many seconds ago, and what was begun."""
        least, most = sum(done < self.until - late for done in self.ledger.done.values()), len(self.ledger.begun)
        if not least <= round(count, 6) <= most:
            self.problems.append(f"{what}: {count:g} is not between {least} and {most}")

    def _note(self, what: str, found: Iterable[str]) -> None:
        items = sorted(found)
        if items:
            self.problems.append(f"{what}: {len(items)}, the first ones {items[:5]}")


def _repeated(counts: Counter[str]) -> list[str]:
    return [item for item, count in counts.items() if count > 1]
