"""One message of loguru's, on its way to becoming a log record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_distro.logs.call import Call
from otel_distro.logs.severity import severity
from otel_distro.logs.value import MAX_BODY, add, cut
from otel_distro.record import LogRecord

if TYPE_CHECKING:
    from otel_distro.record import Value


class MessageCall(Call):
    """A call of loguru's logger; taken after all of the app's own patchers."""

    __slots__ = ()

    def take(self, record: dict[str, Any]) -> None:
        """Loguru's last patcher: called once the record is complete and some handler's level lets it pass."""
        self.source = record

    def passed_on(self, name: str, text: str) -> bool:  # noqa: ARG002 - its new name does not matter
        """Passed on to the standard library by a sink, as the text or inside a formatted line."""
        return self.source is not None and str(self.source["message"]) in text  # type: ignore[index]

    def build(self) -> tuple[LogRecord, BaseException | None] | None:
        """The record; None when it is below all levels, or its module is disabled."""
        record: Any = self.source
        if record is None:
            return None
        level = record["level"]
        attributes: dict[str, Value] = {
            **(self.attributes or {}),
            "code.file.path": record["file"].path,
            "code.line.number": record["line"],
            "code.function.name": record["function"],
        }
        if record["thread"].name != "MainThread":
            attributes["thread.name"] = record["thread"].name
        add(attributes, list(record["extra"].items()))
        exception = record["exception"]
        return (
            LogRecord(
                int(record["time"].timestamp() * 1e9),
                severity(level.no),
                str(level.name),
                str(record["name"] or "loguru"),
                cut(str(record["message"]).rstrip("\n"), MAX_BODY),
                attributes=attributes,
                console=self.console,
            ),
            None if exception is None else exception.value,
        )
