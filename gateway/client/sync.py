"""The client for programs and notebooks that wait for their answers."""

import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from secrets import token_hex
from threading import Lock
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote as escaped

from gateway.client import asking
from gateway.client.asking import Ended, Flow, Manners, Pause, Reached, Step, manners_of
from gateway.client.blocking import Blocking
from gateway.client.course import Course
from gateway.client.listings import listed, versions_path
from gateway.client.models import Fitted
from gateway.client.progress import Shown, Wanted
from gateway.client.quote import Quote
from gateway.client.result import Result, result_of
from gateway.client.retries import Retries
from gateway.client.tokens import STALE, checked
from gateway.client.wire import MAX_REPLY_BYTES, TIMEOUT_S, Call, Lost, Reply, check_address, check_word

T = TypeVar("T")
Token = str | Callable[[], str]


def connect(
    url: str,
    token: Token,
    *,
    log_key: str | Sequence[str] | None = None,
    witnesses: str | Sequence[str] = (),
    quorum: int = 0,
    checkpoint_file: str | Path | None = None,
    retries: Retries | None = None,
    timeout_s: float = TIMEOUT_S,
    progress: Wanted = None,
    max_reply_bytes: int = MAX_REPLY_BYTES,
) -> "Gateway":
    """Return a client of the gateway at `url`; nothing is sent yet.

    `token`: a JWT, or a function that gives one; it is asked again when the gateway no longer takes the last one.
    `log_key`: the log's key as you were given it; without it the key of the first receipt is trusted. `witnesses` and
    `quorum`: keys of witnesses, and how many of them must have signed. `checkpoint_file`: keeps what was seen of the
    log from one run to the next. `timeout_s` is that of one call. Raises GatewayError for what is no address.
    """
    manners = manners_of(log_key, witnesses, quorum, checkpoint_file, retries, timeout_s)
    return Gateway(Blocking(check_address(url), max_reply_bytes), token, manners, progress)


class Gateway:
    """One caller at one gateway. Threads may share it. Every method raises GatewayError."""

    def __init__(self, transport: Blocking, token: Token, manners: Manners, progress: Wanted = None) -> None:
        self._transport = transport
        self._token = token
        self._held = None if callable(token) else checked(token)
        self._renewing = Lock()
        self._manners = manners
        self._progress = progress

    @property
    def url(self) -> str:
        """The gateway's address."""
        return self._transport.url

    def query(
        self,
        sql: str,
        *,
        epsilon: float | Decimal | None = None,
        accuracy: Mapping[str, float] | None = None,
        dataset: str | None = None,
        purpose: str | None = None,
        dialect: str | None = None,
        row_limit: int | None = None,
        sandbox: bool = False,
        idempotency_key: str | None = None,
        progress: Wanted = None,
        verify: bool = True,
    ) -> Result:
        """Ask one question: charged once, however often it has to be sent, and checked against its receipt.

        `epsilon` to spend, or `accuracy` to reach: {"half_width": 100} or {"relative": 0.05}, and "confidence".
        `sandbox`: of synthetic rows, for nothing.
        An interrupt cancels the question, and its notes say what was charged.
        """
        asked = asking.question(
            sql,
            epsilon=epsilon,
            accuracy=accuracy,
            dataset=dataset,
            purpose=purpose,
            dialect=dialect,
            row_limit=row_limit,
            sandbox=sandbox,
        )
        key = token_hex(16) if idempotency_key is None else check_word("idempotency key", idempotency_key)
        with Shown(self._progress if progress is None else progress) as shown:
            return result_of(asked, self._run(asking.answered(asked, key, self._manners, verify=verify), shown))

    def quote(
        self,
        sql: str,
        *,
        epsilon: float | Decimal | None = None,
        accuracy: Mapping[str, float] | None = None,
        dataset: str | None = None,
        purpose: str | None = None,
        dialect: str | None = None,
        sandbox: bool = False,
    ) -> Quote:
        """Return what a question would cost and how exact it would be. Reads no data, costs nothing."""
        asked = asking.question(
            sql,
            epsilon=epsilon,
            accuracy=accuracy,
            dataset=dataset,
            purpose=purpose,
            dialect=dialect,
            sandbox=sandbox,
        )
        return Quote(sql, self._run(asking.quoted(asked, self._manners)))

    def model(
        self,
        kind: str,
        source: str,
        features: Sequence[str],
        *,
        target: str | None = None,
        epsilon: float | Decimal | None = None,
        intercept: bool = True,
        ridge: float = 0.0,
        rounds: int = 3,
        confidence: float = 0.95,
        dataset: str | None = None,
        purpose: str | None = None,
        idempotency_key: str | None = None,
        progress: Wanted = None,
    ) -> Fitted:
        """Fit a model of private rows: charged once, with intervals for the noise.

        `kind`: linear_regression, logistic_regression, covariance or contingency. `source`: a table, or a SELECT of its
        rows with named columns, of which `features` and `target` are some.
        """
        key = token_hex(16) if idempotency_key is None else check_word("idempotency key", idempotency_key)
        members = {
            "kind": kind,
            "from": source,
            "features": list(features),
            "target": target,
            "epsilon": epsilon,
            "intercept": intercept,
            "ridge": ridge,
            "rounds": rounds,
            "confidence": confidence,
            "dataset": dataset,
            "purpose": purpose,
        }
        with Shown(self._progress if progress is None else progress) as shown:
            return Fitted(self._run(asking.modelled(members, key, self._manners), shown))

    def cancel(self, query_id: str) -> Ended:
        """Cancel a question of yours that runs; return how it ended, and what stays charged."""
        return self._run(asking.cancelled(query_id, self._manners))

    def datasets(self) -> list[dict[str, Any]]:
        """Return the datasets that may be asked: name, title, provider, state."""
        return list(self._fetched("/v1/datasets")["datasets"])

    def dataset(self, name: str) -> dict[str, Any]:
        """Return what may be asked of one dataset: tables, columns, bounds, values, prices."""
        return self._fetched(f"/v1/datasets/{escaped(name, safe='')}")

    def budget(self) -> list[dict[str, Any]]:
        """Return limits, what is spent and what is left, for each dataset."""
        return list(self._fetched("/v1/budget")["datasets"])

    def history(self, *, limit: int = 50, before: str | None = None) -> list[dict[str, Any]]:
        """Return your own past queries, newest first; `before` is the last query_id of the page before."""
        return list(self._fetched(asking.history_path(limit, before))["queries"])

    def cases(self, *, limit: int | None = None) -> list[dict[str, Any]]:
        """Return the cases that you see, the latest first; `limit` of them, without it all."""
        return self._run(listed("/v1/cases", "cases", self._manners, limit))

    def grants(self, *, limit: int | None = None) -> list[dict[str, Any]]:
        """Return the grants that your organisation asked for, or gives, the latest first."""
        return self._run(listed("/v1/grants", "grants", self._manners, limit))

    def members(self, *, state: str | None = None, limit: int | None = None) -> list[dict[str, Any]]:
        """Return the members of the exchange that you see, by name; of one state where it is named."""
        return self._run(listed("/v1/members", "members", self._manners, limit, state=state))

    def versions(self, dataset: str, *, limit: int | None = None) -> list[dict[str, Any]]:
        """Return the versions of a dataset's policy, the first proposed first, to its provider and those who watch."""
        return self._run(listed(versions_path(dataset), "versions", self._manners, limit))

    def close(self) -> None:
        """Do nothing: no connection is kept. Here, so that both clients are closed alike."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Gateway({self.url!r})"

    def _fetched(self, path: str) -> dict[str, Any]:
        return self._run(asking.fetched(path, self._manners))

    def _run(self, flow: Flow[T], shown: Shown | None = None) -> T:
        """Do what a flow asks for until it returns."""
        course = Course(flow, shown)
        while (wanted := course.wanted()) is not None:
            try:
                course.came(self._done(wanted, shown))
            except Lost as lost:
                course.failed(lost)
            except KeyboardInterrupt as caught:
                course.interrupted(caught)
        return course.result

    def _done(self, wanted: Step, shown: Shown | None) -> Reply | None:
        match wanted:
            case Call():
                return self._sent(wanted)
            case Pause(seconds):
                time.sleep(seconds)
            case Reached(stage):
                if shown is not None:
                    shown.reached(stage)
        return None

    def _sent(self, call: Call) -> Reply:
        token = self._held or self._renewed(None)
        reply = self._transport.send(call, token)
        if reply.status == STALE and callable(self._token):
            return self._transport.send(call, self._renewed(token))
        return reply

    def _renewed(self, stale: str | None) -> str:
        """Return a fresh token, or the one that another thread has fetched meanwhile."""
        with self._renewing:
            if self._held is None or self._held == stale:
                assert callable(self._token)  # INVARIANT: a text is held from the beginning
                self._held = checked(self._token())
            return self._held
