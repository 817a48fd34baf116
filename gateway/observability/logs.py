"""Log records as one JSON object a line, for collectors; or as text, for people."""

import json
import logging
from datetime import UTC, datetime

from gateway.observability.tracing import current_trace

TEXT = "%(asctime)s %(name)s %(levelname)s %(message)s"
FORMATS = ("text", "json")


class JsonLines(logging.Formatter):
    """Writes `time`, `level`, `logger`, `message`, and where there are any `trace_id` and `stack`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON."""
        told: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        trace = current_trace()
        if trace is not None:
            told["trace_id"] = trace
        if record.exc_info:
            told["stack"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False)


def configure(form: str) -> None:
    """Send this process's log to its standard error in one of FORMATS."""
    assert form in FORMATS  # INVARIANT: the settings check it
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else logging.Formatter(TEXT))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
