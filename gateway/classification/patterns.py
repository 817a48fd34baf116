"""What texts are by how they look, whatever their column is called: rules over values, for the provider alone. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from gateway.catalog.model import DataClass
from gateway.catalog.types import TypeKind
from gateway.classification.model import Guess, Seen

MOST = 0.8
"""The share of looked-at texts that have to look alike."""

FEWEST = 5

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_IDENTITY = re.compile(r"[1-9]\d{5}(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx]")
_MOBILE = re.compile(r"(?:\+?86[- ]?)?1[3-9]\d{9}")
_TELEPHONE = re.compile(r"\+?\d{1,3}[-. (]+\d{2,4}[-. )]+\d{3,4}(?:[-. ]\d{3,4})?")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")
_CARD = re.compile(r"\d{15,19}")
_ADDRESS = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}|(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}")
_POINT = re.compile(r"-?\d{1,3}\.\d{3,}\s*[,; ]\s*-?\d{1,3}\.\d{3,}")
_PLATE = re.compile(r"[\u4e00-\u9fff][A-Z][A-Z0-9]{5,6}")


def identity_number(text: str) -> bool:
    """Tell whether a text is a Chinese resident's identity number: its last character checks the others (GB 11643)."""
    if _IDENTITY.fullmatch(text) is None:
        return False
    total = sum(int(digit) * weight for digit, weight in zip(text, _WEIGHTS, strict=False))
    return "10X98765432"[total % 11] == text[-1].upper()


def card_number(text: str) -> bool:
    """Tell whether a text is a card's number: fifteen to nineteen digits, the last of which checks (ISO 7812, Luhn)."""
    if _CARD.fullmatch(text) is None:
        return False
    digits = [int(digit) for digit in reversed(text)]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _is(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Looking:
    """A meaning of which each text can be told by itself."""

    meaning: str
    test: Callable[[str], bool]

    def propose(self, seen: Seen) -> Guess | None:
        """Return that the column is never shown, where most of its texts look so."""
        texts = seen.look.examples if seen.look is not None else ()
        if seen.type.kind not in (TypeKind.TEXT, TypeKind.INTEGER) or len(texts) < FEWEST:
            return None
        if sum(map(self.test, map(str.strip, texts))) < MOST * len(texts):
            return None
        return Guess(f"looks like {self.meaning}, from values", DataClass.CORE, identifying=True)


LOOKING: tuple[Looking, ...] = (
    Looking("identity numbers", identity_number),
    Looking("telephone numbers", lambda text: bool(_MOBILE.fullmatch(text) or _TELEPHONE.fullmatch(text))),
    Looking("e-mail addresses", _is(_EMAIL)),
    Looking("card numbers", card_number),
    Looking("device or network addresses", _is(_ADDRESS)),
    Looking("places on the map", _is(_POINT)),
    Looking("vehicles' number plates", _is(_PLATE)),
)
