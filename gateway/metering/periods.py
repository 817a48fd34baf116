"""Billing periods: calendar months in a stated time zone."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.errors import GatewayError

_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Period:
    """A month: `name` as 2026-11, `start` included and `end` not, both in UTC. `zone` says whose midnight it is."""

    name: str
    zone: str
    start: datetime
    end: datetime

    def holds(self, at: datetime) -> bool:
        """Tell whether a moment lies in the period."""
        return self.start <= at < self.end


def zone(name: str) -> tzinfo:
    """Return a time zone by its IANA name. Raises GatewayError `settings_invalid`; UTC needs no zone database."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = "Write a name such as Asia/Shanghai in GATEWAY_BILLING_ZONE; the system's zone database has to know it."
        raise GatewayError("settings_invalid", f"There is no time zone '{name}' here.", hint) from None


def month(name: str, zone_name: str) -> Period:
    """Return a month by its name. Raises GatewayError `bad_request` or `settings_invalid`."""
    found = _MONTH.fullmatch(name)
    if found is None or name < "1970-02" or name > "9998-12":
        raise GatewayError("bad_request", "The period is no month.", "Write it as 2026-11.")
    place, year, number = zone(zone_name), int(found[1]), int(found[2])
    start = datetime(year, number, 1, tzinfo=place)
    end = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=place)
    return Period(name, zone_name, start.astimezone(UTC), end.astimezone(UTC))


def month_of(at: datetime, zone_name: str) -> Period:
    """Return the month that a moment lies in."""
    local = at.astimezone(zone(zone_name))
    return month(f"{local.year:04}-{local.month:02}", zone_name)
