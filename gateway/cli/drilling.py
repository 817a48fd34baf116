"""Measures a freeze: how long after it was asked for each replica refuses, and what ran has ended.

Times are taken where the askers are, from the moment before the freeze is sent: they hold all the way there and back.
"""

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from time import monotonic, sleep
from typing import Any

from gateway.cli.http import Client, Unreachable
from gateway.errors import GatewayError

PATIENCE_S = 30.0
"""How long a replica, or a query, is waited for."""

PAUSE_S = 0.02
"""Between two questions whether a replica refuses."""

REASON = "a drill: lifted again at once"


@dataclass(frozen=True, slots=True)
class Drill:
    """What is drilled: who freezes what, as POST /v1/freeze names it, at which replicas, and what runs then.

    `name` makes its idempotency keys its own.
    """

    name: str
    gateways: tuple[str, ...]
    supervisor: str
    askers: tuple[str, ...]
    target: Mapping[str, object]
    sql: str
    running: int
    settle_s: float


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it, in milliseconds since the freeze was asked for.

    `refused` says of each replica when it first refused, `ended` when each query that ran was told that a freeze had
    ended it; `others` is how many were over before, `stopped` how many the freeze says that it ended.
    """

    freeze_ms: float
    stopped: int
    refused: tuple[tuple[str, float | None], ...]
    ended: tuple[float, ...]
    others: int
    target: Mapping[str, object]

    @property
    def slowest_end_ms(self) -> float:
        return max(self.ended, default=0.0)

    def share_ms(self, share: float) -> float:
        """Return the time within which this share of the queries had ended."""
        ordered = sorted(self.ended)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0

    def holds(self, within_ms: float) -> bool:
        """Tell whether every replica refused, and what ran had ended, within so many milliseconds."""
        refusals = [ms for _, ms in self.refused]
        return all(ms is not None and ms <= within_ms for ms in refusals) and self.share_ms(0.99) <= within_ms

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "target": dict(self.target),
            "freeze_reply_ms": round(self.freeze_ms, 1),
            "queries_stopped": self.stopped,
            "replicas": [
                {"gateway": url, "refused_after_ms": None if ms is None else round(ms, 1)} for url, ms in self.refused
            ],
            "running": {
                "ended_by_the_freeze": len(self.ended),
                "over_before": self.others,
                "p50_ms": round(self.share_ms(0.5), 1),
                "p99_ms": round(self.share_ms(0.99), 1),
                "slowest_ms": round(self.slowest_end_ms, 1),
            },
        }


def drilled(drill: Drill) -> Report:
    """Run a drill and lift the freeze, whatever happens in between.

    An answer of an asker's own, paid for once, is fetched at each replica until it is refused. Raises GatewayError or
    Unreachable where a replica does not answer before anything is frozen.
    """
    for url in drill.gateways[1:]:
        Client(url, drill.supervisor).get("/v1/freezes")
    first = Client(drill.gateways[0], drill.askers[0])
    asked = _text(drill.sql, 0)
    answered = first.post("/v1/query", {"sql": asked}, f"drill-probe-{sha256(asked.encode()).hexdigest()}")
    timed = _Timed(drill, str(answered.json()["query_id"]))
    asking = [threading.Thread(target=timed.ask, args=(number,), daemon=True) for number in range(drill.running)]
    for thread in asking:
        thread.start()
    sleep(drill.settle_s if asking else 0)
    probing = [threading.Thread(target=timed.probe, args=(url,), daemon=True) for url in drill.gateways]
    supervisor = Client(drill.gateways[0], drill.supervisor)
    body = {**drill.target, "reason": REASON}
    timed.began = monotonic()
    try:
        for thread in probing:
            thread.start()
        reply = supervisor.post("/v1/freeze", body)
        freeze_ms = timed.since()
        for thread in [*probing, *asking]:
            thread.join(timeout=max(0.0, PATIENCE_S - (monotonic() - timed.began)))
    finally:
        supervisor.post("/v1/unfreeze", body)
    return timed.report(freeze_ms, int(reply.json().get("ended", 0)))


def _text(sql: str, number: int) -> str:
    return sql.replace("{n}", str(number))


@dataclass(slots=True)
class _Timed:
    """What the threads of a drill have seen."""

    drill: Drill
    answered: str
    began: float = math.inf
    refused: dict[str, float] = field(default_factory=dict)
    ended: list[float] = field(default_factory=list)
    others: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def since(self) -> float:
        return (monotonic() - self.began) * 1000

    def ask(self, number: int) -> None:
        """Ask one question, and note when a freeze ended it."""
        url = self.drill.gateways[number % len(self.drill.gateways)]
        token = self.drill.askers[number % len(self.drill.askers)]
        try:
            body = {"sql": _text(self.drill.sql, number + 1)}
            Client(url, token).post("/v1/query", body, f"drill-{self.drill.name}-{number}")
            code = ""
        except GatewayError as error:
            code = error.code
        except Unreachable:
            code = "unreachable"
        with self._lock:
            if code == "query_stopped" and self.began < math.inf:
                self.ended.append(self.since())
            else:
                self.others += 1

    def probe(self, url: str) -> None:
        """Ask for what is answered already at one replica until it refuses."""
        caller = Client(url, self.drill.askers[0])
        while monotonic() - self.began < PATIENCE_S:
            try:
                caller.get(f"/v1/queries/{self.answered}")
            except GatewayError as error:
                if error.code == "frozen":
                    self.refused[url] = self.since()
                    return
            except Unreachable:
                pass
            sleep(PAUSE_S)

    def report(self, freeze_ms: float, stopped: int) -> Report:
        """Return what was seen."""
        with self._lock:
            refused = tuple((url, self.refused.get(url)) for url in self.drill.gateways)
            return Report(freeze_ms, stopped, refused, tuple(self.ended), self.others, self.drill.target)
