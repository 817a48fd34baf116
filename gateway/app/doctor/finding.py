"""What a look at a live deployment found: good, to be thought about, or to be mended before anybody asks."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, what was found, and what to do about it. Never a value of the data."""

    check: str
    verdict: Verdict
    told: str
    fix: str = ""


def good(check: str, told: str) -> Finding:
    return Finding(check, Verdict.GOOD, told)


def warning(check: str, told: str, fix: str) -> Finding:
    return Finding(check, Verdict.WARNING, told, fix)


def bad(check: str, told: str, fix: str) -> Finding:
    return Finding(check, Verdict.BAD, told, fix)
