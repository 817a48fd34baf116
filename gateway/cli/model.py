"""What a buyer types for a model: fit it, or ask what it would cost. Everything goes over HTTP."""

from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from gateway.cli.ask import DEFAULT_URL, Dataset, Epsilon, Json, Key, Purpose, Token, Url, amount, client, printed
from gateway.cli.failures import reporting
from gateway.cli.show import console
from gateway.client.models import Fitted


class Kind(StrEnum):
    """What is fitted."""

    LINEAR = "linear_regression"
    LOGISTIC = "logistic_regression"
    COVARIANCE = "covariance"
    CONTINGENCY = "contingency"


def model(
    kind: Annotated[Kind, typer.Argument(help="What is fitted.")],
    source: Annotated[str, typer.Option("--from", help="A table, or a SELECT of its rows with named columns.")],
    feature: Annotated[list[str], typer.Option(help="A column of it; once for each.")],
    token: Token,
    target: Annotated[str | None, typer.Option(help="The column that a regression explains.")] = None,
    url: Url = DEFAULT_URL,
    dataset: Dataset = None,
    epsilon: Epsilon = None,
    intercept: Annotated[bool, typer.Option(help="With an intercept.")] = True,
    ridge: Annotated[float, typer.Option(help="Added to the diagonal, in rows.")] = 0.0,
    rounds: Annotated[int, typer.Option(help="Newton steps of a logistic regression, 1 to 4.")] = 3,
    confidence: Annotated[float, typer.Option(help="Confidence of the intervals.")] = 0.95,
    purpose: Purpose = None,
    idempotency_key: Key = None,
    quote: Annotated[bool, typer.Option("--quote", help="Say what it would cost, and the SQL of its sums.")] = False,
    as_json: Json = False,
) -> None:
    """Fit a model of private rows: one charge, coefficients with intervals for the noise."""
    with reporting(as_json=as_json):
        body: dict[str, object] = {
            "kind": kind.value,
            "from": source,
            "features": feature,
            "target": target,
            "dataset": dataset,
            "epsilon": None if epsilon is None else amount("epsilon", epsilon),
            "intercept": intercept,
            "ridge": ridge,
            "rounds": rounds,
            "confidence": confidence,
            "purpose": purpose,
        }
        body = {name: value for name, value in body.items() if value is not None}
        if quote:
            reply = client(url, token).post("/v1/models/quote", body)
            if not printed(reply, as_json=as_json):
                found = reply.document()
                cost = (
                    f"price {found['price']['amount']} {found['price']['currency']}, rho {found['privacy']['rho']:.6g}"
                )
                console().print(Text(cost), Text(found["sql"], style="dim"), sep="\n")
            return
        reply = client(url, token).post("/v1/models", body, idempotency_key)
        if not printed(reply, as_json=as_json):
            _show(Fitted(reply.document()))


def _show(fitted: Fitted) -> None:
    table = Table("", "estimate", "low", "high", title=Text(fitted.kind.replace("_", " ")))
    for one in fitted.coefficients:
        figures = ("" if value is None else f"{value:,.6g}" for value in (one.estimate, one.low, one.high))
        table.add_row(Text(one.name), *figures)
    screen = console()
    screen.print(table, Text(f"price {fitted.price}; privacy {fitted.privacy}; query {fitted.query_id}", style="dim"))
    for notice in fitted.notices:
        screen.print(Text(f"note  {notice}", style="dim"))
