"""What columns are by their part and type alone: keys, links, texts of few values, numbers, days. Pure."""

from dataclasses import dataclass

from gateway.catalog.model import DataClass, Use
from gateway.catalog.types import TypeKind
from gateway.classification.meanings import ADDED, ALL, GROUPED, step_of
from gateway.classification.model import Guess, Seen

FEW = 30
"""Texts of at most so many values are taken for a kind of thing."""

MANY = 50
APART = 0.9
"""Texts of which so large a share differs, among so many rows, tell rows apart."""


@dataclass(frozen=True, slots=True)
class NotComputed:
    def propose(self, seen: Seen) -> Guess | None:
        """Return that a type is hidden that nothing computes with."""
        if seen.type.kind is not TypeKind.OTHER:
            return None
        return Guess("this type is not computed with: cast it in the source", identifying=True)


@dataclass(frozen=True, slots=True)
class MarkedElsewhere:
    def propose(self, seen: Seen) -> Guess | None:
        """Return that a column is never shown that somebody marked as personal."""
        if not seen.personal:
            return None
        return Guess("marked as personal in the file that was imported", DataClass.CORE, identifying=True)


@dataclass(frozen=True, slots=True)
class Linked:
    def propose(self, seen: Seen) -> Guess | None:
        """Return what a column is for that leads to another table: joined to an open one, else never shown."""
        if seen.link is None:
            return None
        target = f"{seen.link.target}.{seen.link.key}"
        if seen.links_to_public:
            return Guess(f"leads to {target}, which is proposed as open", use=(*GROUPED, Use.JOIN))
        return Guess(f"leads to {target}: it tells whose a row is, or of whom it speaks", DataClass.CORE)


_IDS = frozenset({"id", "uuid", "guid", "key", "no", "code", "serial", "sn", "bianhao", "xuhao"})


@dataclass(frozen=True, slots=True)
class TellsRowsApart:
    def propose(self, seen: Seen) -> Guess | None:
        """Return that a column is never shown that is a row's own."""
        if seen.identifies:
            return Guess("it tells rows apart", DataClass.CORE)
        named = _IDS & seen.words or any(word.endswith(("id", "key")) and len(word) > 4 for word in seen.words)
        if seen.type.kind is TypeKind.UUID or (named and seen.type.kind is TypeKind.INTEGER):
            return Guess("a number or code of something: hidden", DataClass.CORE)
        if "编号" in seen.text or "序号" in seen.text:
            return Guess("a number of something: hidden", DataClass.CORE)
        return None


@dataclass(frozen=True, slots=True)
class ManyTexts:
    def propose(self, seen: Seen) -> Guess | None:
        """Return that texts are hidden of which nearly each is another."""
        if seen.look is None or seen.rows is None or seen.type.kind is not TypeKind.TEXT or seen.rows < MANY:
            return None
        if seen.look.distinct < APART * max(seen.rows - seen.look.nulls, 1):
            return None
        return Guess("nearly each row has another text, from values: hidden")


@dataclass(frozen=True, slots=True)
class FewTexts:
    def propose(self, seen: Seen) -> Guess | None:
        """Return that texts of few values are grouped by."""
        few = seen.look is not None and 0 < seen.look.distinct <= FEW
        if not few or seen.type.kind is not TypeKind.TEXT:
            return None
        return Guess("few different texts, from values", use=GROUPED)


@dataclass(frozen=True, slots=True)
class OfType:
    """What is left: by its type alone."""

    def propose(self, seen: Seen) -> Guess | None:
        """Return a column's use by its type; a text of which nothing is known is hidden."""
        kind = seen.type.kind
        if kind is TypeKind.BOOLEAN:
            return Guess("yes or no", use=GROUPED)
        if kind in (TypeKind.DATE, TypeKind.TIMESTAMP):
            return Guess("a day or moment", use=GROUPED)
        if kind is TypeKind.INTEGER:
            return Guess("a whole number", use=ALL)
        if kind in (TypeKind.DECIMAL, TypeKind.DOUBLE):
            return Guess("a number", use=ADDED, granularity=step_of(seen.type, money=False))
        why = "nothing is known of it, so it is hidden: add `use: [group, filter]` where many people share each value"
        return Guess(why)
