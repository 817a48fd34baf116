"""Durations as people write them on a command line: 90s, 15m, 1h, 7d."""

import re

from gateway.errors import GatewayError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> int:
    """Return the duration in seconds. Raises GatewayError `settings_invalid`."""
    match = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text.strip(), re.ASCII)
    if match is None:
        raise GatewayError(
            "settings_invalid", f"'{text}' is not a duration", "write a whole number and s, m, h or d: 90s, 15m, 1h"
        )
    return int(match.group(1)) * _SECONDS[match.group(2)]
