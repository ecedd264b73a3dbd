"""Structured logging: one fixed sentence per event, values as keywords, secrets redacted."""

import logging
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

from core.markup import escape_controls

SECRET_NAME_PATTERN = re.compile(r"token|password|secret|authorization|cookie|api_?key", re.IGNORECASE)
SECRET_VALUE_PATTERN = re.compile(
    r"gh[pousr]_\w{8,}|github_pat_\w{8,}|alm(?:feed)?_[\w-]{8,}"
    r"|(?i:bearer|token|basic)\s+[\w.~+/=-]{8,}|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
)
REDACTED = "•••"
TRACEBACKS = ("exception", "stack")


def configure(level: str, *, as_json: bool, stream: TextIO | None = None) -> None:
    """Configure logging of this process; logs go to standard error, so that standard output stays for data."""
    output = stream or sys.stderr
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=output.isatty(), pad_event_to=36)
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Tracebacks become text before redaction, so that secrets in them are redacted too.
    # JSON writes the controls below 0x20 as escapes itself.
    escape = EscapeControls(keep="".join(map(chr, range(32))) if as_json else "")
    last: list[Any] = [structlog.processors.format_exc_info, redact_secrets, escape, renderer]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(output),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(logging.getLevelNamesMapping()[level], logging.WARNING))


def redact_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace values whose name or form marks them as secret, at any depth (a structlog processor)."""
    return {name: _redact(name, value) for name, value in event.items()}


@dataclass(frozen=True)
class EscapeControls:
    """Write control characters, which others may have sent, as `\\x1b` (a structlog processor): none forges a line.

    Tracebacks keep their lines.
    """

    keep: str

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {name: self._escape(value, name in TRACEBACKS) for name, value in event.items()}

    def _escape(self, value: object, is_traceback: bool = False) -> Any:
        if isinstance(value, str):
            return escape_controls(value, keep=f"{self.keep}\n" if is_traceback else self.keep)
        if isinstance(value, Mapping):
            return {self._escape(key): self._escape(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._escape(item) for item in value]
        return value


def _redact(name: object, value: object) -> Any:
    if isinstance(name, str) and SECRET_NAME_PATTERN.search(name) and isinstance(value, str | bytes):
        return REDACTED
    if isinstance(value, str):
        return SECRET_VALUE_PATTERN.sub(REDACTED, value)
    if isinstance(value, Mapping):
        return {key: _redact(key, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redact(None, item) for item in value]
    return value
