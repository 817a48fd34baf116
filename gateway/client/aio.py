"""The client for programs that run an event loop. aiohttp is loaded when the first call is made."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from secrets import token_hex
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote as escaped

from gateway.client import asking
from gateway.client.asking import Ended, Flow, Manners, Pause, Reached, Step, manners_of
from gateway.client.course import Course
from gateway.client.listings import listed, versions_path
from gateway.client.models import Fitted
from gateway.client.progress import Shown, Wanted
from gateway.client.quote import Quote
from gateway.client.result import Result, result_of
from gateway.client.retries import Retries
from gateway.client.tokens import STALE, checked
from gateway.client.wire import (
    MAX_REPLY_BYTES,
    TIMEOUT_S,
    Call,
    Lost,
    Reply,
    check_address,
    check_word,
    compressed,
    too_large,
)

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

T = TypeVar("T")
AsyncToken = str | Callable[[], str | Awaitable[str]]


def connect_async(
    url: str,
    token: AsyncToken,
    *,
    log_key: str | Sequence[str] | None = None,
    witnesses: str | Sequence[str] = (),
    quorum: int = 0,
    checkpoint_file: str | Path | None = None,
    retries: Retries | None = None,
    timeout_s: float = TIMEOUT_S,
    progress: Wanted = None,
    max_reply_bytes: int = MAX_REPLY_BYTES,
) -> "AsyncGateway":
    """Return a client of the gateway at `url`, as `connect` does; `token` may be a coroutine function as well."""
    manners = manners_of(log_key, witnesses, quorum, checkpoint_file, retries, timeout_s)
    return AsyncGateway(Streaming(check_address(url), max_reply_bytes), token, manners, progress)


class Streaming:
    """Calls over aiohttp to one address: never a redirect, a proxy or a cookie, bounded in time and size."""

    def __init__(self, url: str, max_reply_bytes: int = MAX_REPLY_BYTES) -> None:
        self.url = url
        self._max_reply_bytes = max_reply_bytes
        self._session: ClientSession | None = None

    async def send(self, call: Call, token: str) -> Reply:
        """Return the reply, whatever its status. Raises Lost without a whole one in time, BadReply beyond the limit."""
        from aiohttp import ClientError, ClientTimeout  # noqa: PLC0415

        headers = {"Accept": "application/json", "Accept-Encoding": "identity", **call.headers}
        headers["Authorization"] = f"Bearer {token}"
        asked = self._opened().request(
            call.method,
            self.url + call.path,
            data=call.body,
            headers=headers,
            allow_redirects=False,
            timeout=ClientTimeout(total=call.timeout_s),
        )
        try:
            async with asked as reply:
                names = {name.lower(): value for name, value in reply.headers.items()}
                return Reply(reply.status, names, await self._body(reply))
        except (OSError, ClientError, TimeoutError) as failure:
            reason = str(failure) or type(failure).__name__
            raise Lost(f"no gateway answers at {self.url}: {reason}") from None

    async def _body(self, reply: "ClientResponse") -> bytes:
        if reply.headers.get("Content-Encoding", "identity") != "identity":
            raise compressed()
        found = bytearray()
        async for part in reply.content.iter_any():
            found += part
            if len(found) > self._max_reply_bytes:
                raise too_large(self._max_reply_bytes)
        return bytes(found)

    def _opened(self) -> "ClientSession":
        if self._session is None:
            from aiohttp import ClientSession, DummyCookieJar  # noqa: PLC0415

            self._session = ClientSession(cookie_jar=DummyCookieJar(), auto_decompress=False, trust_env=False)
        return self._session

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class AsyncGateway:
    """One caller at one gateway, in one event loop; tasks may share it. Every method raises GatewayError."""

    def __init__(self, transport: Streaming, token: AsyncToken, manners: Manners, progress: Wanted = None) -> None:
        self._transport = transport
        self._token = token
        self._held = None if callable(token) else checked(token)
        self._renewing = asyncio.Lock()
        self._manners = manners
        self._progress = progress

    @property
    def url(self) -> str:
        """The gateway's address."""
        return self._transport.url

    async def query(
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
        """Ask one question, as `Gateway.query` does. A task that is cancelled cancels the question."""
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
            flow = asking.answered(asked, key, self._manners, verify=verify)
            return result_of(asked, await self._run(flow, shown))

    async def quote(
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
        return Quote(sql, await self._run(asking.quoted(asked, self._manners)))

    async def model(
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
            return Fitted(await self._run(asking.modelled(members, key, self._manners), shown))

    async def cancel(self, query_id: str) -> Ended:
        """Cancel a question of yours that runs; return how it ended, and what stays charged."""
        return await self._run(asking.cancelled(query_id, self._manners))

    async def datasets(self) -> list[dict[str, Any]]:
        """Return the datasets that may be asked: name, title, provider, state."""
        return list((await self._fetched("/v1/datasets"))["datasets"])

    async def dataset(self, name: str) -> dict[str, Any]:
        """Return what may be asked of one dataset: tables, columns, bounds, values, prices."""
        return await self._fetched(f"/v1/datasets/{escaped(name, safe='')}")

    async def budget(self) -> list[dict[str, Any]]:
        """Return limits, what is spent and what is left, for each dataset."""
        return list((await self._fetched("/v1/budget"))["datasets"])

    async def history(self, *, limit: int = 50, before: str | None = None) -> list[dict[str, Any]]:
        """Return your own past queries, newest first; `before` is the last query_id of the page before."""
        return list((await self._fetched(asking.history_path(limit, before)))["queries"])

    async def cases(self, *, limit: int | None = None) -> list[dict[str, Any]]:
        """Return the cases that you see, the latest first; `limit` of them, without it all."""
        return await self._run(listed("/v1/cases", "cases", self._manners, limit))

    async def grants(self, *, limit: int | None = None) -> list[dict[str, Any]]:
        """Return the grants that your organisation asked for, or gives, the latest first."""
        return await self._run(listed("/v1/grants", "grants", self._manners, limit))

    async def members(self, *, state: str | None = None, limit: int | None = None) -> list[dict[str, Any]]:
        """Return the members of the exchange that you see, by name; of one state where it is named."""
        return await self._run(listed("/v1/members", "members", self._manners, limit, state=state))

    async def versions(self, dataset: str, *, limit: int | None = None) -> list[dict[str, Any]]:
        """Return the versions of a dataset's policy, the first proposed first, to its provider and those who watch."""
        return await self._run(listed(versions_path(dataset), "versions", self._manners, limit))

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncGateway({self.url!r})"

    async def _fetched(self, path: str) -> dict[str, Any]:
        return await self._run(asking.fetched(path, self._manners))

    async def _run(self, flow: Flow[T], shown: Shown | None = None) -> T:
        """Do what a flow asks for until it returns."""
        course = Course(flow, shown)
        while (wanted := course.wanted()) is not None:
            try:
                course.came(await self._done(wanted, shown))
            except Lost as lost:
                course.failed(lost)
            except asyncio.CancelledError as caught:
                course.interrupted(caught)
        return course.result

    async def _done(self, wanted: Step, shown: Shown | None) -> Reply | None:
        match wanted:
            case Call():
                return await self._sent(wanted)
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Reached(stage):
                if shown is not None:
                    shown.reached(stage)
        return None

    async def _sent(self, call: Call) -> Reply:
        token = self._held or await self._renewed(None)
        reply = await self._transport.send(call, token)
        if reply.status == STALE and callable(self._token):
            return await self._transport.send(call, await self._renewed(token))
        return reply

    async def _renewed(self, stale: str | None) -> str:
        """Return a fresh token, or the one that another task has fetched meanwhile."""
        async with self._renewing:
            if self._held is None or self._held == stale:
                assert callable(self._token)  # INVARIANT: a text is held from the beginning
                given = self._token()
                self._held = checked(await given if inspect.isawaitable(given) else given)
            return self._held
