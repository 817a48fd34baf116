"""The demo: a real gateway, real purchases, and the questions that buyers, billing and a sceptic would ask of it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from gateway.cli.demo.database import COMPACT_NAME, build
from gateway.cli.http import Client
from gateway.cli.show import answer_table, console, cost_line, error_text, estimates, table_of
from gateway.cli.world import SystemClock, SystemRandomness
from gateway.errors import GatewayError
from gateway.evidence.verifier import verify
from gateway.identity.development import DevelopmentKey

POLICIES = Path(__file__).resolve().parents[3] / "policies"

BY_MONTH = """SELECT date_trunc('month', purchased_on) AS month, COUNT(*) AS purchases
FROM purchases
GROUP BY 1
ORDER BY 1"""
BY_COHORT = """SELECT c.cohort, k.quarter, SUM(p.amount) AS revenue, AVG(p.amount) AS average_basket
FROM purchases p
JOIN customers c ON c.customer_id = p.customer_id
JOIN calendar k ON k.day = p.purchased_on
GROUP BY c.cohort, k.quarter"""
BY_BASKET = """SELECT basket, COUNT(*) AS n
FROM purchases
GROUP BY basket
ORDER BY n DESC"""
ROWS = "SELECT * FROM purchases LIMIT 10"
PEOPLE = "SELECT cohort, COUNT(DISTINCT customer_id) AS people FROM customers GROUP BY cohort"


class Surprise(Exception):
    """Something in the demo did not come out as it must."""


def expect(holds: bool, what: str) -> None:
    """Stop the demo where what it shows does not hold."""
    if not holds:
        raise Surprise(what)


@contextmanager
def gateway(policies: Path, state: Path, port: int) -> Iterator[str]:
    """Run `gateway serve` as a process of its own; yield its address; stop it by SIGTERM."""
    command = [
        sys.executable,
        "-m",
        "gateway",
        "serve",
        "--policies",
        str(policies),
        "--state",
        str(state),
        "--port",
        str(port),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own command
    try:
        assert process.stdout is not None  # INVARIANT: it was asked for
        line = process.stdout.readline()
        expect(line.startswith("listening on "), "the gateway did not start")
        yield line.split()[-1]
    finally:
        process.terminate()
        expect(process.wait(timeout=60) == 0, "the gateway did not stop cleanly")


def prepare(state: Path) -> Path:
    """Build the database beside a copy of the policy; return the policies' folder."""
    shutil.rmtree(state, ignore_errors=True)
    policies = state / "policies"
    (policies / "data").mkdir(parents=True)
    shutil.copy(POLICIES / "cdnow.yaml", policies / "cdnow.yaml")
    build(POLICIES / "data" / COMPACT_NAME, policies / "data" / "cdnow.duckdb")
    return policies


@dataclass(frozen=True, slots=True)
class People:
    """The demo's callers, each with a token of the embedded key."""

    analyst: Client
    institute: Client
    billing: Client


def people(state: Path, url: str) -> People:
    """Make tokens for a buyer, a second buyer of another organisation, and billing."""
    key = DevelopmentKey.open(state, SystemRandomness())

    def client(subject: str, organisation: str, role: str, purpose: str | None, place: str | None) -> Client:
        return Client(url, key.issue(subject, organisation, [role], purpose, place, 3600, SystemClock().now()))

    return People(
        client("analyst", "widget-analytics", "buyer", "market-research", "CN"),
        client("researcher", "harbour-institute", "buyer", "statistics", "CH"),
        client("clerk", "acme-retail", "billing", None, None),
    )


class Story:
    """The questions in order; each prints what happened and checks that it is what must happen."""

    def __init__(self, screen: Console, callers: People) -> None:
        self.screen = screen
        self.callers = callers

    def heading(self, text: str, sql: str = "") -> None:
        """Print a step's title and its query."""
        self.screen.print(f"\n[bold]{text}[/bold]")
        for line in sql.splitlines():
            self.screen.print(f"    {line}", style="dim", markup=False)

    def ask(self, client: Client, sql: str, **options: object) -> dict[str, Any]:
        """Ask over HTTP and print the answer, its error bars and its cost."""
        answer: dict[str, Any] = client.post("/v1/query", {"sql": sql, "dataset": "cdnow", **options}).json()
        self.screen.print(answer_table(answer, limit=20))
        self.screen.print(cost_line(answer))
        return answer

    def refused(self, client: Client, sql: str, code: str, **options: object) -> None:
        """Ask what must be refused, and print why."""
        try:
            client.post("/v1/query", {"sql": sql, "dataset": "cdnow", **options})
        except GatewayError as error:
            self.screen.print(error_text(error, sql))
            expect(error.code == code, f"{code} was expected, not {error.code}")
        else:
            raise Surprise(f"this query must be refused: {sql}")

    def tell(self) -> None:
        """Go through all steps. Raises Surprise where one does not hold."""
        analyst = self.callers.analyst
        self.heading("1. Purchases by month", BY_MONTH)
        first = self.ask(analyst, BY_MONTH)
        shares = [e.relative for e in estimates(first, "purchases") if e is not None]
        expect(len(shares) == 18, "eighteen months have an interval")
        expect(all(s is not None and s < 0.10 for s in shares), "half-widths stay under 10 % of the counts")
        self.heading("2. Revenue and average basket by cohort and quarter, joined to the public calendar", BY_COHORT)
        self.ask(analyst, BY_COHORT)
        self.heading("3. A private key: baskets that enough customers share", BY_BASKET)
        baskets = self.ask(analyst, BY_BASKET)
        expect(len(baskets["rows"]) > 5, "common baskets are shown")
        self.quote(analyst)
        self.heading("5. The first question again: the same answer, for nothing")
        again = analyst.post("/v1/query", {"sql": BY_MONTH, "dataset": "cdnow"}).json()
        self.screen.print(cost_line(again))
        expect(again["rows"] == first["rows"], "a repeat gives the same rows")
        expect(again["privacy"]["rho"] == 0 and again["price"]["amount"] == "0", "a repeat is free")
        self.heading("6. Rows as they are: refused, with what to write instead", ROWS)
        self.refused(analyst, ROWS, "raw_rows")
        self.overdraw()
        self.heading("8. What is left")
        self.budget(analyst)
        self.meter()
        self.receipt(analyst, first["query_id"])

    def quote(self, client: Client) -> None:
        """Print a quote."""
        self.heading("4. A quote: what it would cost, and how exact it would be", PEOPLE)
        document = client.post("/v1/quote", {"sql": PEOPLE, "dataset": "cdnow", "epsilon": 0.1}).json()
        self.screen.print(cost_line(document))
        width = document["expected"]["half_width"]["people"]
        self.screen.print(f"expected: people ± {width:,.1f} in {document['expected']['cells']} cells")

    def overdraw(self) -> None:
        """Spend a second buyer's budget until a query is refused."""
        self.heading("7. A second buyer asks on until the budget is spent")
        client = self.callers.institute
        for number in range(1, 20):
            sql = f"SELECT COUNT(*) AS n FROM purchases WHERE quantity >= {number}"
            try:
                client.post("/v1/query", {"sql": sql, "dataset": "cdnow", "epsilon": 0.4})
            except GatewayError as error:
                self.screen.print(f"query {number}:", style="dim")
                self.screen.print(error_text(error))
                expect(error.code == "budget_exhausted", f"budget_exhausted was expected, not {error.code}")
                expect(number > 1, "the budget pays for at least one query")
                return
        raise Surprise("the budget never ran out")

    def budget(self, client: Client) -> None:
        """Print every level's budget."""
        for entry in client.get("/v1/budget").json()["datasets"]:
            rows = [
                (
                    level["level"],
                    f"{level['rho']['limit']:.4f}",
                    f"{level['rho']['spent']:.4f}",
                    f"{level['rho']['left']:.4f}",
                )
                for level in entry["levels"]
            ]
            self.screen.print(table_of(("level", "rho", "spent", "left"), rows))
            self.screen.print(f"about {entry['queries_left']} more queries like the last")

    def meter(self) -> None:
        """Print the meter events that billing reads."""
        self.heading("9. What billing reads (CloudEvents)")
        events = self.callers.billing.get("/v1/meter/events?limit=1000").lines()
        rows = [
            (e["time"][11:19], e["type"].rpartition(".")[2], e["data"]["organisation"], e["data"].get("amount", ""),
             e["data"].get("currency", ""), e["data"]["reason"] or "")
            for e in events
        ]  # fmt: skip
        self.screen.print(table_of(("time", "type", "organisation", "amount", "currency", "reason"), rows))
        kinds = [row[1] for row in rows]
        expect({"charged", "replayed", "refused"} <= set(kinds), "charges, replays and refusals are metered")
        expect(len({e["id"] for e in events}) == len(events), "every event has its own id")

    def receipt(self, client: Client, query_id: str) -> None:
        """Verify the first answer's receipt offline."""
        self.heading("10. The first answer's receipt, verified here without trusting the gateway")
        document = client.get(f"/v1/queries/{query_id}/receipt").json()
        verified = verify(document)
        expect(verified.query_id == query_id, "the receipt is of this query")
        self.screen.print(
            f"leaf {document['log_index']} of {verified.tree_size} in the log '{verified.origin}': "
            f"rho {int(verified.leaf['rho']) / 1e12:.5f}, {verified.leaf['amount']} {verified.leaf['currency']}: verified"
        )


def tell(state: Path, *, serve_on: bool) -> int:
    """Run the demo, or leave its gateway running. Returns the exit code."""
    screen = console()
    screen.print("Loading 69,659 real purchases by 23,570 customers (CDNOW, 1997-1998) into DuckDB ...")
    policies = prepare(state)
    if serve_on:
        return leave_running(screen, policies, state)
    try:
        with gateway(policies, state, 0) as url:
            screen.print(f"The gateway listens on {url}.")
            Story(screen, people(state, url)).tell()
    except Surprise as surprise:
        screen.print(f"\n[bold red]The demo found a fault: {surprise}[/bold red]")
        return 1
    screen.print("\n[bold green]All of it held.[/bold green] `make serve` leaves this gateway running.")
    return 0


def leave_running(screen: Console, policies: Path, state: Path) -> int:
    """Serve the demo's data in this process until it is stopped, after saying how to ask it."""
    key = DevelopmentKey.open(state, SystemRandomness())
    roles = ["buyer"]
    token = key.issue("analyst", "widget-analytics", roles, "market-research", "CN", 86_400, SystemClock().now())
    screen.print("A buyer's token for a day, also in demo-state/token:", markup=False)
    (state / "token").write_text(token, encoding="ascii")
    print(token)
    command = [sys.executable, "-m", "gateway", "serve", "--policies", str(policies), "--state", str(state)]
    os.execv(sys.executable, command)  # noqa: S606 - becomes the gateway, so that signals reach it
