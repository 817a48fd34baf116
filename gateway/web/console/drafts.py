"""A model on its way: what its form says, and which columns of a table it may be made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.models.asked import Kind, Model
from gateway.request import Request
from gateway.web.console.forms import key_of, text_of
from gateway.web.reading import read_model

FEATURE = "feature-"
"""What the name of a column's box begins with."""

FIELDS = (
    "from", "sql", "features", "target", "epsilon", "purpose", "ridge", "rounds", "confidence", "kind", "dataset",
)  # fmt: skip
"""The members of a body that a refusal may name."""

_AT = {
    "bad_request": "features",
    "epsilon_too_large": "epsilon",
    "budget_exhausted": "epsilon",
    "purpose_not_granted": "purpose",
    "unknown_column": "features",
    "type_mismatch": "features",
    "no_bounds": "features",
}
"""The field of a refusal whose words name none."""

_NUMBERS = ("BIGINT", "DECIMAL", "DOUBLE")


@dataclass(frozen=True, slots=True)
class Draft:
    """The members of the form, as they were written. `table` is empty for a SELECT of the buyer's own, in `source`.

    `named` has the features of such a SELECT, with commas between; `boxes` those that are chosen of a table.
    """

    dataset: str = ""
    table: str | None = None
    source: str = ""
    kind: str = Kind.LINEAR.value
    boxes: tuple[str, ...] = ()
    named: str = ""
    target: str = ""
    epsilon: str = ""
    purpose: str = ""
    intercept: bool = True
    ridge: str = ""
    rounds: str = ""
    confidence: str = ""

    @property
    def targeted(self) -> bool:
        return self.kind in (Kind.LINEAR, Kind.LOGISTIC)

    @property
    def rows(self) -> str:
        """What the model reads: the table that is chosen, or the SELECT."""
        if not self.table:
            return self.source
        return (
            self.table if self.table.isidentifier() else f'SELECT * FROM "{self.table.replace(chr(34), chr(34) * 2)}"'
        )

    @property
    def features(self) -> list[str]:
        if self.table:
            return list(self.boxes)
        return [name.strip() for name in self.named.split(",") if name.strip()]

    def body(self) -> dict[str, Any]:
        """Return what a body of the API would hold."""
        given = {
            "dataset": self.dataset,
            "purpose": self.purpose,
            "epsilon": self.epsilon,
            "confidence": self.confidence,
            "target": self.target if self.targeted else "",
            "ridge": self.ridge if self.targeted else "",
            "rounds": self.rounds if self.kind == Kind.LOGISTIC else "",
        }
        body: dict[str, Any] = {"kind": self.kind, "from": self.rows, "features": self.features}
        body |= {name: text for name, text in given.items() if text}
        return body | ({"intercept": self.intercept} if self.targeted else {})

    def asked(self, nonce: str = "") -> tuple[Model, Request]:
        """Return the model and its request, under the key of its form. Raises GatewayError `bad_request`."""
        body = self.body()
        return read_model(body, key_of(nonce, body))


def read_draft(form: Mapping[str, str]) -> Draft:
    """Return the draft of a form."""
    return Draft(
        dataset=form.get("dataset", ""),
        table=form.get("table"),
        source=text_of(form, "source"),
        kind=form.get("kind", Kind.LINEAR.value),
        boxes=tuple(name.removeprefix(FEATURE) for name in form if name.startswith(FEATURE)),
        named=form.get("features", ""),
        target=form.get("target", "").strip(),
        epsilon=form.get("epsilon", "").strip(),
        purpose=form.get("purpose", "").strip(),
        intercept=form.get("intercept", "yes") == "yes",
        ridge=form.get("ridge", "").strip(),
        rounds=form.get("rounds", "").strip(),
        confidence=form.get("confidence", "").strip(),
    )


def field_of(code: str, *, placed: bool) -> str | None:
    """Return the field that a refusal without the name of one stands at: what has a place is the text of the rows."""
    if placed or code == "unknown_table":
        return "source"
    return _AT.get(code)


def usable(column: Mapping[str, Any], kind: str) -> bool:
    """Tell whether a column, as a dataset's description has it, can be a feature of a kind of model."""
    if kind == Kind.CONTINGENCY:
        return "group" in column["use"]
    if column["type"] == "BOOLEAN":
        return bool(column["use"])
    return "aggregate" in column["use"] and str(column["type"]).startswith(_NUMBERS)
