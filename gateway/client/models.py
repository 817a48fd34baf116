"""A model as the gateway fitted it: its document, with coefficients and their intervals by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from gateway.client.result import Price, Privacy, price_of, privacy_of


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval for the noise; None where noise hides it."""

    name: str
    estimate: float | None
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.low is None:
            return f"{self.name}  {_figure(self.estimate)}"
        return f"{self.name}  {_figure(self.estimate)}  [{_figure(self.low)}, {_figure(self.high)}]"


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:,.6g}"


@dataclass(frozen=True, slots=True, repr=False)
class Fitted:
    """A model as it came (`document`, docs/API.md), with its most asked-for parts by name."""

    document: Mapping[str, Any]

    @property
    def query_id(self) -> str:
        """The query that its sums are the answer of."""
        return str(self.document["query_id"])

    @property
    def kind(self) -> str:
        return str(self.document["kind"])

    @property
    def coefficients(self) -> tuple[Estimate, ...]:
        """Coefficients of a regression, the intercept first; of a covariance its cells, of a table its counts."""
        return tuple(_estimates(self.document))

    @property
    def clear(self) -> bool:
        """Whether the model stands out of its noise."""
        return bool(self.document["clear"])

    @property
    def price(self) -> Price:
        """What was charged in money."""
        return price_of(self.document["price"])

    @property
    def privacy(self) -> Privacy:
        """What was charged in privacy."""
        return privacy_of(self.document["privacy"])

    @property
    def notices(self) -> tuple[str, ...]:
        """What the figures leave out."""
        return tuple(self.document["notices"])

    def __getitem__(self, name: str) -> Estimate:
        """Return the coefficient of a feature by its name. Raises KeyError."""
        for one in self.coefficients:
            if one.name == name:
                return one
        raise KeyError(name)

    def __repr__(self) -> str:
        share = f"{100 * float(self.document['confidence']):.4g} % intervals cover the noise alone"
        head = f"{self.kind}; price {self.price}; privacy {self.privacy}; {share}"
        return "\n".join([head, *map(str, self.coefficients), *(f"note  {notice}" for notice in self.notices)])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(one.name)}</td>"
            + "".join(f'<td style="text-align:right">{_figure(v)}</td>' for v in (one.estimate, one.low, one.high))
            + "</tr>"
            for one in self.coefficients
        )
        notes = "".join(f"<div>note: {escape(notice)}</div>" for notice in self.notices)
        head = f"<tr><th>{escape(self.kind)}</th><th>estimate</th><th>low</th><th>high</th></tr>"
        return f"<table>{head}{rows}</table><div>{notes}</div>"


def _estimates(document: Mapping[str, Any]) -> Sequence[Estimate]:
    if "coefficients" in document:
        return [_estimate(one["name"], one) for one in document["coefficients"]]
    if "covariance" in document:
        return [_estimate(f"{one['row']}, {one['column']}", one) for one in document["covariance"]]
    cells = document.get("cells", ())
    return [_estimate(", ".join(map(str, one["values"])), one) for one in cells]


def _estimate(name: str, one: Mapping[str, Any]) -> Estimate:
    return Estimate(name, one["estimate"], one["low"], one["high"])
