"""How a question is asked, followed, cancelled and checked: calls to make, one after another. No I/O.

Each function is a generator that yields what is to be done and is sent what came of it; `sync` and `aio` do it.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote as escaped
from urllib.parse import urlencode

from gateway.client.errors import (
    BadReply,
    Charged,
    GatewayError,
    QueryCancelled,
    ReceiptError,
    Refused,
    Unreachable,
)
from gateway.client.kept import Kept
from gateway.client.receipts import Receipt, Witnessed, charged, checked, does_not_hold, words
from gateway.client.retries import NONE, Retries
from gateway.client.wire import TIMEOUT_S, Call, Lost, Reply, error_of, json_call, retry_after_s

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reached:
    """Show that the question has reached a stage."""

    stage: str


Step = Call | Pause | Reached
Flow = Generator[Step, Reply | None, T]


class Stopped(BaseException):
    """Thrown into a flow whose asker wants no answer any more; raised again with what is to be told."""

    def __init__(self, told: str = "") -> None:
        super().__init__(told)
        self.told = told
        self.sent = False  # a call was under way: the gateway may have it


@dataclass(frozen=True, slots=True)
class Question:
    """One question as it is sent. `body` has the members of POST /v1/query that are part of it, or of its `path`."""

    sql: str
    body: Mapping[str, object]
    path: str = "/v1/query"


@dataclass(frozen=True, slots=True)
class Manners:
    """How a client asks one gateway, and what it keeps of its log."""

    kept: Kept
    witnessed: Witnessed = field(default_factory=Witnessed)
    retries: Retries = field(default_factory=Retries)
    timeout_s: float = TIMEOUT_S


def manners_of(
    log_key: str | Sequence[str] | None,
    witnesses: str | Sequence[str],
    quorum: int,
    checkpoint_file: str | Path | None,
    retries: Retries | None,
    timeout_s: float,
) -> Manners:
    """Return the manners of a client by the arguments that it was made with."""
    kept = Kept(words(log_key), None if checkpoint_file is None else Path(checkpoint_file))
    return Manners(kept, Witnessed(words(witnesses), quorum), retries or Retries(), timeout_s)


@dataclass(frozen=True, slots=True)
class Answered:
    """The exact bytes of an answer, the answer, and what its receipt proved; None where that was not asked for."""

    body: bytes
    document: Mapping[str, Any]
    receipt: Receipt | None


RUNNING, FINISHED, CANCELLED = "RUNNING", "FINISHED", "CANCELLED"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a question stands that was to be cancelled; `charged` stays charged, None where the gateway does not tell."""

    query_id: str
    state: str
    charged: Charged | None

    def __str__(self) -> str:
        became = "is cancelled" if self.state == CANCELLED else f"was {self.state} before it could be cancelled"
        stays = "What was charged stays" if self.charged is None else f"It stays charged: {self.charged}"
        return f"Query {self.query_id} {became}. {stays}."


LASTING = frozenset({"dataset_suspended", "refresh_needed", "store_fenced"})
"""Errors of status 503 that a person has to mend: asking again at once only fills the log."""
TRANSIENT = frozenset({429, 502, 503, 504})

FIRST_WAIT_S = 1
"""How long the gateway may hold a question before it says 202: short ones are answered in one call."""
LOOK_S = 1
"""How long one look at a question may wait for its end; each tells the stage."""
LOOKS = 10
"""How often a question is looked at before it is asked again, so that a gateway takes over from one that died."""
ELSEWHERE_S = 0.5
"""The pause between looks where another process works on it: those do not wait."""
CANCEL_TIMEOUT_S = 10.0


def question(
    sql: str,
    *,
    epsilon: float | Decimal | None = None,
    accuracy: Mapping[str, float] | None = None,
    dataset: str | None = None,
    purpose: str | None = None,
    dialect: str | None = None,
    row_limit: int | None = None,
    sandbox: bool = False,
) -> Question:
    """Return a question with the members that were given. Raises ValueError for a Decimal that JSON would change."""
    spent = _exact(epsilon) if isinstance(epsilon, Decimal) else epsilon
    members: dict[str, object] = {
        "sql": sql,
        "epsilon": spent,
        "accuracy": None if accuracy is None else dict(accuracy),
        "dataset": dataset,
        "purpose": purpose,
        "dialect": dialect,
        "row_limit": row_limit,
        "sandbox": True if sandbox else None,
    }
    return Question(sql, {name: value for name, value in members.items() if value is not None})


def _exact(value: Decimal) -> float:
    number = float(value)
    if Decimal(repr(number)) != value:
        raise ValueError(f"epsilon {value} has more digits than a JSON number keeps")
    return number


def sent(call: Call, retries: Retries) -> Flow[Reply]:
    """Send a call until it is answered with success. Raises the GatewayError of the last try.

    Tried again are a lost connection and the statuses 429, 502, 503 and 504, but for what only a person mends.
    """
    tried = 0
    while True:
        asked_s: float | None = None
        error: GatewayError
        try:
            reply = yield call
        except Stopped as stopped:
            stopped.sent = True
            raise
        except Lost as lost:
            error = Unreachable("unreachable", str(lost), "Check the address, and that the gateway runs.")
        else:
            assert reply is not None  # INVARIANT: every call is sent its reply
            if 200 <= reply.status < 300:
                return reply
            error, asked_s = error_of(reply), retry_after_s(reply)
            if reply.status not in TRANSIENT or error.code in LASTING:
                raise error
        pause_s = retries.pause_s(tried, asked_s)
        if pause_s is None:
            raise error
        yield Pause(pause_s)
        tried += 1


def fetched(path: str, manners: Manners) -> Flow[dict[str, Any]]:
    """Return the JSON object at a path."""
    reply = yield from sent(Call("GET", path, timeout_s=manners.timeout_s), manners.retries)
    return reply.document()


def history_path(limit: int, before: str | None) -> str:
    """Return the path of one page of past queries."""
    return "/v1/queries?" + urlencode({"limit": limit} | ({} if before is None else {"before": before}))


def quoted(asked: Question, manners: Manners) -> Flow[dict[str, Any]]:
    """Return what a question would cost."""
    try:
        call = json_call("POST", "/v1/quote", asked.body, timeout_s=manners.timeout_s)
        reply = yield from sent(call, manners.retries)
    except GatewayError as error:
        error.sql = asked.sql
        raise
    return reply.document()


def modelled(members: Mapping[str, object], key: str, manners: Manners) -> Flow[dict[str, Any]]:
    """Return a model. Every try has the same idempotency key: it is charged once.

    Raises GatewayError with the key. Thrown Stopped, it cancels the question behind it and says what was charged.
    """
    body = {name: _plain(value) for name, value in members.items() if value is not None}
    try:
        fitted = yield from _answer(Question(str(members["from"]), body, "/v1/models"), key, manners)
    except GatewayError as error:
        error.idempotency_key = key
        raise
    found = Reply(200, {}, fitted).document()
    if not {"query_id", "kind", "clear", "privacy", "price"} <= found.keys():
        raise BadReply("bad_reply", "The reply is no model.", "Check the address.")
    return found


def _plain(value: object) -> object:
    return _exact(value) if isinstance(value, Decimal) else value


def cancelled(query_id: str, manners: Manners) -> Flow[Ended]:
    """Cancel a question that runs; return how it ended."""
    reply = yield from sent(Call("DELETE", _path(query_id), timeout_s=manners.timeout_s), manners.retries)
    state = str(reply.document().get("state"))
    return Ended(query_id, state, (yield from _told_charge(query_id)))


def answered(asked: Question, key: str, manners: Manners, *, verify: bool) -> Flow[Answered]:
    """Return the answer to a question, checked against its receipt. Every try has the same idempotency key.

    Raises GatewayError with the SQL and the key. Thrown Stopped, it cancels the question and says what was charged.
    """
    try:
        body = yield from _answer(asked, key, manners)
        document = Reply(200, {}, body).document()
        if not {"query_id", "columns", "rows", "intervals", "privacy", "price"} <= document.keys():
            raise BadReply("bad_reply", "The reply is no answer to a question.", "Check the address.")
        receipt = (yield from _receipt(asked.sql, body, document, manners)) if verify else None
    except Stopped as stopped:
        raise Stopped(stopped.told or f"The answer came, and stays charged. {_again(key)}") from None
    except GatewayError as error:
        error.sql, error.idempotency_key = asked.sql, key
        raise
    return Answered(body, document, receipt)


def _answer(asked: Question, key: str, manners: Manners) -> Flow[bytes]:
    """Ask until the answer is there: what is not ready at once is watched, and asked for again."""
    query_id: str | None = None
    try:
        while True:
            reply = yield from _posted(asked, key, manners, FIRST_WAIT_S)
            if reply.status != 202:
                return reply.body
            query_id = _query_id(reply)
            yield from _watched(query_id, reply.document(), manners)
    except Stopped as stopped:
        told = yield from _given_up(asked, key, query_id, manners, under_way=stopped.sent)
        raise Stopped(told) from None
    except QueryCancelled as error:
        if query_id is not None:
            error.charged = yield from _told_charge(query_id)
        raise


def _posted(asked: Question, key: str, manners: Manners, wait_s: int) -> Flow[Reply]:
    """Ask once. A question that is charged and takes longer than `wait_s` gets a reply of status 202."""
    body = {**asked.body, "wait_timeout": wait_s, "on_wait_timeout": "continue"}
    call = json_call("POST", asked.path, body, {"Idempotency-Key": key}, manners.timeout_s)
    return (yield from sent(call, manners.retries))


def _query_id(reply: Reply) -> str:
    """Return the id that a reply of status 202 names. Raises BadReply."""
    found = reply.headers.get("gateway-query-id") or reply.headers.get("location", "").rpartition("/")[2]
    if not (found.isascii() and found.isalnum()):
        raise BadReply("bad_reply", "The gateway does not name the question it works on.", "Ask again.")
    return found


def _watched(query_id: str, found: Mapping[str, Any], manners: Manners) -> Flow[None]:
    """Show the stages of a question until it is over, or for so long that it is better asked again."""
    shown = None
    for _ in range(LOOKS):
        stage = found.get("stage")
        if isinstance(stage, str) and stage != shown:
            shown = stage
            yield Reached(stage)
        if stage is None:
            yield Pause(ELSEWHERE_S)
        found = yield from fetched(f"{_path(query_id)}?wait_timeout={LOOK_S}", manners)
        if found.get("state") != RUNNING:
            return


def _given_up(asked: Question, key: str, query_id: str | None, manners: Manners, *, under_way: bool) -> Flow[str]:
    """Cancel what is asked; return in words what became of it."""
    again = _again(key)
    if query_id is None and not under_way:
        return f"It was not cancelled: if the gateway has it, it goes on and is charged. {again}"
    hasty = Manners(manners.kept, retries=NONE, timeout_s=CANCEL_TIMEOUT_S)
    try:
        if query_id is None:  # the gateway has it, and names it as soon as it is charged
            reply = yield from _posted(asked, key, hasty, 0)
            if reply.status != 202:
                return f"It was answered before it could be cancelled, and stays charged. {again}"
            query_id = _query_id(reply)
        ended = yield from cancelled(query_id, hasty)
    except GatewayError as error:
        return f"It was not cancelled ({error.code}: {error.detail}). {again}"
    return f"{ended} {again}" if ended.state == FINISHED else str(ended)


def _again(key: str) -> str:
    return f"Asked again with idempotency_key='{key}' it is not charged twice."


def _told_charge(query_id: str) -> Flow[Charged | None]:
    """Return what the log's leaf of a question says was charged; None where that cannot be read."""
    try:
        reply = yield from sent(Call("GET", f"{_path(query_id)}/receipt", timeout_s=CANCEL_TIMEOUT_S), NONE)
        return charged(Reply(200, {}, reply.document()["leaf"].encode()).document())
    except (GatewayError, KeyError, AttributeError, ArithmeticError):
        return None


def _receipt(sql: str, body: bytes, document: Mapping[str, Any], manners: Manners) -> Flow[Receipt]:
    """Fetch an answer's receipt and check it, again where another one was kept meanwhile. Raises ReceiptError."""
    path = f"{_path(str(document['query_id']))}/receipt"
    while True:
        seen = manners.kept.seen()
        since = f"?since={seen.size}" if seen.size else ""
        try:
            reply = yield from sent(Call("GET", path + since, timeout_s=manners.timeout_s), manners.retries)
        except Refused as error:
            raise _no_receipt(error, body, seen.size) from None
        found = checked(sql, body, document, reply.body, manners.kept, seen, manners.witnessed)
        if found is not None:
            return found


def _no_receipt(error: Refused, body: bytes, size: int) -> ReceiptError:
    if error.code == "bad_request" and size:
        return does_not_hold(f"the log is no longer the one of {size} leaves that was seen before", body, None)
    return does_not_hold(f"the gateway gives none ({error.code})", body, None)


def _path(query_id: str) -> str:
    return f"/v1/queries/{escaped(query_id, safe='')}"
