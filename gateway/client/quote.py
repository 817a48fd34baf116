"""What a question would cost, before it is asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.client.result import Price, Privacy, price_of, privacy_of
from gateway.client.values import Column, columns_of


@dataclass(frozen=True, slots=True, repr=False)
class Quote:
    """A quote as it came (`document`, docs/API.md), with its most asked-for parts by name."""

    sql: str
    document: Mapping[str, Any]

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the answer."""
        return columns_of(self.document["columns"])

    @property
    def price(self) -> Price:
        """What would be charged in money."""
        return price_of(self.document["price"])

    @property
    def privacy(self) -> Privacy:
        """What would be charged in privacy."""
        return privacy_of(self.document["privacy"])

    @property
    def half_width(self) -> Mapping[str, float | None]:
        """The expected half-width of each noisy column's interval, None where it cannot be told."""
        found: Mapping[str, float | None] = self.document["expected"]["half_width"]
        return found

    @property
    def levels(self) -> list[dict[str, Any]]:
        """The question at other errors, each with its cost; `ask` is what to send."""
        return list(self.document["levels"])

    @property
    def proposal(self) -> Mapping[str, Any] | None:
        """A coarser question where the cells are poor."""
        found: Mapping[str, Any] | None = self.document["proposal"]
        return found

    @property
    def notices(self) -> tuple[str, ...]:
        """What the figures leave out."""
        return tuple(self.document["notices"])

    def __repr__(self) -> str:
        widths = (f"{name} ± {width:,.6g}" for name, width in self.half_width.items() if width is not None)
        lines = [f"price {self.price}; privacy {self.privacy}", *(f"expected  {width}" for width in widths)]
        if self.proposal is not None:
            lines.append(f"coarser: {self.proposal['change']}")
        return "\n".join([*lines, *(f"note  {notice}" for notice in self.notices)])
