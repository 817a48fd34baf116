"""What the demo expects of each step: said aloud, counted, and decisive for its exit code."""

from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text


@dataclass(slots=True)
class Checks:
    """Expectations so far."""

    out: Console
    missed: list[str] = field(default_factory=list)
    met: int = 0

    def expect(self, holds: bool, what: str) -> None:
        """Print and count one expectation."""
        if holds:
            self.met += 1
            self.out.print(Text("  ok  ", style="bold green") + Text(what))
        else:
            self.missed.append(what)
            self.out.print(Text("  MISSED  ", style="bold red") + Text(what))
