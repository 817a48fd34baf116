"""The demo's story: each step asks the running gateway over HTTP, shows what came back, and checks it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from gateway.cli.demo import questions
from gateway.cli.demo.cast import Cast
from gateway.cli.demo.checks import Checks
from gateway.cli.forecast import quote_table
from gateway.cli.http import Client
from gateway.cli.show import (
    answer_table,
    budget_table,
    cost_line,
    error_text,
    estimates,
    notes,
    table_of,
)
from gateway.errors import GatewayError
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.receipts import verify

TARGET_SHARE = 0.10


@dataclass(slots=True)
class Story:
    """What the steps share: where to print, who asks, what was answered so far."""

    out: Console
    cast: Cast
    checks: Checks
    first: dict[str, Any] | None = None
    told: set[str] = field(default_factory=set)

    def heading(self, number: int, title: str) -> None:
        self.out.print()
        self.out.rule(Text(f"{number}. {title}", style="bold"), align="left")

    def sql(self, text: str) -> None:
        self.out.print(Syntax(text, "sql", theme="ansi_dark", background_color="default", padding=(0, 2)))

    def ask(self, client: Client, sql: str, epsilon: float | None = None, limit: int | None = None) -> dict[str, Any]:
        """Ask, show the answer and its cost, and return it. Raises GatewayError."""
        body: dict[str, object] = {"sql": sql, "dataset": "cdnow"}
        if epsilon is not None:
            body["epsilon"] = epsilon
        answer: dict[str, Any] = client.post("/v1/query", body).json()
        self.out.print(answer_table(answer, limit=limit))
        self.out.print(cost_line(answer))
        self.noted(answer)
        return answer

    def noted(self, answer: dict[str, Any]) -> None:
        """Show what the figures leave out, the first time that an answer says it."""
        for line in notes(answer):
            if line.plain not in self.told:
                self.told.add(line.plain)
                self.out.print(line)

    def refused(self, sql: str, epsilon: float | None, code: str, what: str) -> None:
        """Ask what must be refused with `code`, and show the refusal."""
        body: dict[str, object] = {"sql": sql, "dataset": "cdnow"}
        if epsilon is not None:
            body["epsilon"] = epsilon
        try:
            self.cast.buyer.post("/v1/query", body)
        except GatewayError as refusal:
            self.out.print(error_text(refusal, sql), end="")
            self.checks.expect(refusal.code == code and bool(refusal.hint), f"{what}: refused as {code}, with a hint")
        else:
            self.checks.expect(False, f"{what}: refused as {code}")


def quote(story: Story) -> None:
    """Ask what the first question would cost."""
    story.sql(questions.COUNTS_BY_MONTH)
    body = {"sql": questions.COUNTS_BY_MONTH, "dataset": "cdnow"}
    reply = story.cast.buyer.post("/v1/quote", body).json()
    privacy, price = reply["privacy"], reply["price"]
    story.out.print(quote_table(reply))
    cost = f"would cost rho {privacy['rho']:.6g} and {price['amount']} {price['currency']}; nothing is charged yet"
    story.out.print(Text(cost))
    story.checks.expect(float(privacy["rho"]) > 0 and float(price["amount"]) > 0, "the quote names both costs")


def counts_by_month(story: Story) -> None:
    """Ask for the counts by month; their intervals must be useful."""
    answer = story.ask(story.cast.buyer, questions.COUNTS_BY_MONTH)
    story.first = answer
    found = estimates(answer, "purchases")
    shares = [estimate.relative for estimate in found if estimate is not None]
    worst = max((share for share in shares if share is not None), default=1.0)
    story.checks.expect(len(found) == 18, "eighteen months, January 1997 to June 1998")
    story.checks.expect(
        None not in shares and len(shares) == len(found) and worst < TARGET_SHARE,
        f"every half-width is under {TARGET_SHARE:.0%} of its value (the widest: {worst:.1%})",
    )


def revenue_by_cohort(story: Story) -> None:
    """Ask a join of two private tables and the public calendar, at the policy's largest epsilon."""
    story.sql(questions.REVENUE_BY_COHORT)
    answer = story.ask(story.cast.buyer, questions.REVENUE_BY_COHORT, epsilon=questions.MAX_EPSILON)
    story.checks.expect(len(answer["rows"]) == 18, "three cohorts in six quarters")


def top_baskets(story: Story) -> None:
    """Ask for a key that nobody listed beforehand: only what many customers share is shown."""
    story.sql(questions.TOP_BASKETS)
    answer = story.ask(story.cast.buyer, questions.TOP_BASKETS, limit=12)
    shown = len(answer["rows"])
    story.checks.expect(10 <= shown < 72, f"{shown} of the baskets are common enough to be shown, rare ones are not")
    story.checks.expect(float(answer["privacy"]["delta"]) > 0, "finding the keys is charged to delta as well")


def repeat(story: Story) -> None:
    """Ask the first question again: the same answer, and no charge."""
    again = story.ask(story.cast.buyer, questions.COUNTS_BY_MONTH, limit=3)
    first = story.first or {}
    story.checks.expect(
        json.dumps(first.get("rows")) == json.dumps(again["rows"]) and first.get("intervals") == again["intervals"],
        "the same rows and intervals, to the byte",
    )
    story.checks.expect(
        bool(again["privacy"]["stored"]) and float(again["price"]["amount"]) == 0, "no privacy loss and no price"
    )


def another_buyer(story: Story) -> None:
    """Let a second buyer ask the same: noise and charge of their own."""
    answer = story.ask(story.cast.second_buyer, questions.COUNTS_BY_MONTH, limit=3)
    story.checks.expect(
        not answer["privacy"]["stored"] and answer["rows"] != (story.first or {}).get("rows"),
        "another draw of the noise, charged to the second buyer's own account",
    )


def refusal(story: Story) -> None:
    """Ask for rows of people."""
    story.sql(questions.RAW_ROWS)
    story.refused(questions.RAW_ROWS, None, "raw_rows", "rows of a private table")


def overdraw(story: Story) -> None:
    """Ask for more than is left."""
    story.sql(questions.ONE_MORE)
    story.refused(
        questions.ONE_MORE, questions.MAX_EPSILON, "budget_exhausted", "one more query at the largest epsilon"
    )


def budget(story: Story) -> None:
    """Show what is left at each level, and for about how many queries."""
    reply = story.cast.buyer.get("/v1/budget").json()
    story.out.print(budget_table(reply))
    levels = [level["level"] for entry in reply["datasets"] for level in entry["levels"]]
    story.checks.expect(levels == ["data", "organisation", "buyer"], "one charge debited three nested accounts")


def meter_events(story: Story) -> None:
    """Show what billing reads."""
    events = story.cast.billing.get("/v1/meter/events").lines()
    rows = [_event_row(event) for event in events]
    story.out.print(table_of(("event", "organisation", "buyer", "decision", "epsilon", "amount", "log"), rows))
    kinds = [event["type"] for event in events]
    story.checks.expect(kinds.count("gateway.query.charged") == 4, "four charges, one event each")
    story.checks.expect("gateway.query.replayed" in kinds, "the repeat is an event without an amount")
    story.checks.expect(kinds.count("gateway.query.refused") == 2, "the refusals are events too")
    story.checks.expect(len({event["id"] for event in events}) == len(events), "every event has its own id")


def _event_row(event: dict[str, Any]) -> tuple[object, ...]:
    data = event["data"]
    charged = event["type"] == "gateway.query.charged"
    return (
        event["type"].removeprefix("gateway.query."),
        data["organisation"],
        data["buyer"],
        data["reason"] or data["decision"],
        f"{float(data['epsilon']):.3f}" if charged else "-",
        f"{data['amount']} {data['currency']}" if charged else "-",
        data["log_index"],
    )


def receipt(story: Story) -> None:
    """Fetch the receipt of the first answer and verify it without the gateway."""
    query_id = (story.first or {})["query_id"]
    proof = story.cast.buyer.get(f"/v1/queries/{query_id}/receipt").json()
    story.out.print(Text(f"query {query_id} is leaf {proof['log_index']} of a log of {proof['tree_size']}"))
    story.checks.expect(_verifies(proof), "inclusion proof and signed checkpoint hold")
    edited = {**proof, "leaf": str(proof["leaf"]).replace("widget", "gadget", 1)}
    story.checks.expect(not _verifies(edited), "an edited leaf does not")


def _verifies(proof: dict[str, Any]) -> bool:
    try:
        verify(proof)
    except NotVerified:
        return False
    return True


STEPS: tuple[tuple[str, Callable[[Story], None]], ...] = (
    ("A quote: what would purchases by month cost?", quote),
    ("Purchases by month", counts_by_month),
    ("Revenue and average basket by cohort and quarter, joined to the calendar", revenue_by_cohort),
    ("A private key: which baskets are common?", top_baskets),
    ("The same question again", repeat),
    ("The same question from another organisation", another_buyer),
    ("A refusal, and what to write instead", refusal),
    ("One query too many", overdraw),
    ("What is left", budget),
    ("What billing reads", meter_events),
    ("A receipt that anyone can verify", receipt),
)
