"""What a question gave: rows with their error bars, what they cost, and what the receipt proved."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from gateway.client import html, text
from gateway.client.asking import Answered, Question
from gateway.client.errors import BadReply, money
from gateway.client.receipts import Receipt
from gateway.client.values import Column, Interval, Value, columns_of, intervals_of, rows_of

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Price:
    """What was charged in money; `plan` and `version` name the price plan, None without one."""

    amount: Decimal
    currency: str
    plan: str | None
    version: str | None

    def __str__(self) -> str:
        return money(self.amount, self.currency)


def price_of(document: Mapping[str, Any]) -> Price:
    """Return the price of an answer or quote."""
    return Price(Decimal(document["amount"]), document["currency"], document["plan"], document["version"])


@dataclass(frozen=True, slots=True)
class Privacy:
    """What was charged in privacy. `epsilon` holds at `at_delta`; `stored`: it was an earlier answer, for nothing."""

    rho: float
    delta: float
    epsilon: float
    at_delta: float
    stored: bool

    def __str__(self) -> str:
        if self.stored:
            return "nothing: stored before"
        return f"rho {self.rho:.6g}, delta {self.delta:.3g} (epsilon {self.epsilon:.3g} at delta {self.at_delta:.2g})"


def privacy_of(document: Mapping[str, Any]) -> Privacy:
    """Return the privacy cost of an answer or quote."""
    equivalent = document["as"]
    return Privacy(
        document["rho"], document["delta"], equivalent["epsilon"], equivalent["delta"], bool(document["stored"])
    )


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Result:
    """The rows of one answer. Iterates by row.

    `intervals` has, for each noisy column, one interval a row at `confidence`, None where there is none. `receipt` is
    None where it was not verified. `document` is the whole answer, `body` its exact bytes, as the log commits to them.
    """

    query_id: str
    sql: str
    columns: tuple[Column, ...]
    rows: list[tuple[Value, ...]]
    intervals: Mapping[str, list[Interval | None]]
    confidence: float
    privacy: Privacy
    price: Price
    notices: tuple[str, ...]
    receipt: Receipt | None
    document: Mapping[str, Any]
    body: bytes

    def __iter__(self) -> Iterator[tuple[Value, ...]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return text.of(self)

    def _repr_html_(self) -> str:
        return html.of(self)

    def to_arrow(self, *, intervals: bool = False) -> "pa.Table":
        """Return an Arrow table of exact types; with `intervals`, `n_low` and `n_high` after each noisy column `n`."""
        from gateway.client import tables  # noqa: PLC0415 - loads pyarrow

        return tables.arrow(self, intervals=intervals)

    def to_pandas(
        self, *, intervals: bool = False, dtype_backend: Literal["pyarrow", "numpy_nullable"] = "pyarrow"
    ) -> "pd.DataFrame":
        """Return a pandas data frame, with Arrow's exact types or with pandas' own nullable ones.

        Raises ImportError where pandas is not installed.
        """
        from gateway.client import tables  # noqa: PLC0415 - loads pyarrow

        return tables.pandas_frame(self, intervals=intervals, dtype_backend=dtype_backend)

    def to_polars(self, *, intervals: bool = False) -> "pl.DataFrame":
        """Return a Polars data frame of exact types. Raises ImportError where Polars is not installed."""
        from gateway.client import tables  # noqa: PLC0415 - loads pyarrow

        return tables.polars_frame(self, intervals=intervals)


def result_of(asked: Question, answered: Answered) -> Result:
    """Return an answer as a result. Raises BadReply where it does not have the shape of one."""
    document = answered.document
    try:
        columns = columns_of(document["columns"])
        bars = document["intervals"]
        return Result(
            document["query_id"],
            asked.sql,
            columns,
            rows_of(columns, document["rows"]),
            intervals_of(columns, bars["columns"], len(document["rows"])),
            float(bars["confidence"]),
            privacy_of(document["privacy"]),
            price_of(document["price"]),
            tuple(document["notices"]),
            answered.receipt,
            document,
            answered.body,
        )
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        detail = f"The answer is not of the shape that this client reads ({type(error).__name__})."
        raise BadReply("bad_reply", detail, "Use a client of the gateway's version.") from None
