"""All that is wrong with a policy, found before any of it is said."""

from dataclasses import dataclass, field

from gateway.catalog.document import PolicyDocument
from gateway.catalog.load import PolicyErrors, PolicyLines, Problem


@dataclass(frozen=True, slots=True)
class Problems:
    """The mistakes found in a policy so far; `lines` lets each name file and line."""

    document: PolicyDocument
    lines: PolicyLines | None = None
    found: list[Problem] = field(default_factory=list)

    def add(self, path: str, message: str, fix: str) -> None:
        """Add a mistake at a dotted path, with what to write instead."""
        self.found.append(Problem(path, self.lines.line(path) if self.lines is not None else None, message, fix))

    def refuse(self) -> None:
        """Raise PolicyErrors with all mistakes, if there are any."""
        if self.found:
            name = self.lines.name if self.lines is not None else self.document.dataset
            raise PolicyErrors(name, tuple(self.found))
