"""How often and how long a call is tried again. What to try again is decided in `asking`."""

from dataclasses import dataclass
from secrets import SystemRandom

_RANDOM = SystemRandom()


@dataclass(frozen=True, slots=True)
class Retries:
    """At most `times` further tries, after pauses that double from `first_s` up to `most_s`, each cut by up to a half.

    The cut is drawn, so that clients that were turned away together do not come back together. A gateway that asks for
    a longer pause than `most_s` is not asked again.
    """

    times: int = 5
    first_s: float = 0.5
    most_s: float = 30.0

    def __post_init__(self) -> None:
        if self.times < 0 or self.first_s < 0 or self.most_s < self.first_s:
            raise ValueError("retries need times >= 0 and 0 <= first_s <= most_s")

    def pause_s(self, tried: int, asked_s: float | None) -> float | None:
        """Return the pause after try number `tried` (from 0) that failed; None where it was the last.

        `asked_s`: the least pause that the gateway asked for.
        """
        if tried >= self.times or (asked_s or 0) > self.most_s:
            return None
        longest = min(self.most_s, self.first_s * 2.0**tried)
        return max(asked_s or 0.0, longest * _RANDOM.uniform(0.5, 1.0))


NONE = Retries(times=0)
