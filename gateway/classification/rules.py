"""All rules in their order: the first that says something of a column is its proposal. Pure."""

from typing import Protocol

from gateway.catalog.types import TypeKind
from gateway.classification.kinds import (
    FewTexts,
    Linked,
    ManyTexts,
    MarkedElsewhere,
    NotComputed,
    OfType,
    TellsRowsApart,
)
from gateway.classification.meanings import ORDINARY, PERSONAL, SomeName
from gateway.classification.model import Guess, Seen
from gateway.classification.patterns import LOOKING


class Rule(Protocol):
    """One rule. It knows nothing of the others."""

    def propose(self, seen: Seen) -> Guess | None:
        """Return what it takes a column for, or None."""
        ...


RULES: tuple[Rule, ...] = (
    NotComputed(),
    MarkedElsewhere(),
    *LOOKING,
    *PERSONAL,
    Linked(),
    TellsRowsApart(),
    ManyTexts(),
    SomeName(),
    *ORDINARY,
    FewTexts(),
    OfType(),
)


def propose(seen: Seen) -> Guess:
    """Return what a column is proposed to be: by the first rule that knows it."""
    found = next((guess for rule in RULES if (guess := rule.propose(seen)) is not None), None)
    assert found is not None  # INVARIANT: the last rule knows every type
    return found


def keyable(kind: TypeKind) -> bool:
    """Tell whether people can be told apart by columns of a type."""
    return kind in (TypeKind.INTEGER, TypeKind.TEXT, TypeKind.UUID)
