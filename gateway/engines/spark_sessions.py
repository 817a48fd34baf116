"""Sessions of a provider's Spark, over Spark Connect: pinned settings, a few for each source, statements that end.

The client is of another world: it blocks, and tries again for ten minutes. Each of its calls runs in a thread of its
own, tries once, and is interrupted on the server when nobody waits for it any more. It is an extra of the gateway
(`spark`), imported where it is first needed.
"""

import asyncio
import contextlib
import importlib.util
import itertools
import logging
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.engines.sources import Addresses, Pauses, unavailable
from gateway.engines.spark_frames import rows
from gateway.engines.spark_settings import PINNED
from gateway.errors import GatewayError
from gateway.ports import Source

log = logging.getLogger("gateway.provider")

T = TypeVar("T")

CONNECT_S = 20.0
CANCEL_S = 2.0
"""How long an interrupted statement may take to end before its session is given up."""

_AGAIN_S = 0.2
"""An interruption may come before its statement: it is repeated."""

LEAST_VERSION = (4, 0)


class Failed(Exception):
    """What Spark, its client or the way to it made of a call: words for the provider alone."""

    def __init__(self, error: BaseException) -> None:
        condition = getattr(error, "getCondition", None)
        self.condition: str = (condition() or "") if callable(condition) else ""
        code = getattr(error, "code", None)
        self.kind = f"{type(error).__name__} {self.condition or (code() if callable(code) else '')}".strip()
        self.settings = tuple(name for name in PINNED if f'"{name}"' in str(error))
        """Settings of ours that it speaks of: a server may not let a session have them."""
        super().__init__(f"{type(error).__name__}: {error}")

    @property
    def brief(self) -> str:
        """Its first line, without the server's stack."""
        return str(self).partition("\n")[0]


def installed() -> bool:
    """Tell whether the client is there."""
    return importlib.util.find_spec("pyspark") is not None


@dataclass(frozen=True, slots=True)
class Told:
    """What a server says of a call while it works: tasks done, tasks of the stages that it knows, and bytes read."""

    done: int
    tasks: int
    read_bytes: int


class Session:
    """One session, for one lease at a time. `views` names what it has views of."""

    _numbers = itertools.count()

    def __init__(self, spark: Any) -> None:
        self._spark = spark
        self._ending: asyncio.Task[None] | None = None
        self.whole = True
        self.views = ""
        self.told: Told | None = None
        spark.registerProgressHandler(self._hear)

    def _hear(self, stages: Sequence[Any] | None, **_rest: object) -> None:
        """Keep what the server says; called in the thread of a call."""
        if stages:
            self.told = Told(
                sum(stage.num_completed_tasks for stage in stages),
                sum(stage.num_tasks for stage in stages),
                sum(stage.num_bytes_read for stage in stages),
            )

    async def call(self, work: Callable[[Any], T], patience_s: float) -> T:
        """Run what blocks over the session. Raises Failed, or TimeoutError: then it is being ended on the server."""
        assert self._ending is None  # INVARIANT: nothing runs beside what is being ended
        self.told = None
        tag = f"gateway-{next(self._numbers)}"
        running = asyncio.ensure_future(in_thread(lambda: self._tagged(tag, work)))
        try:
            async with asyncio.timeout(patience_s):
                return await asyncio.shield(running)
        except (TimeoutError, asyncio.CancelledError):
            self._ending = asyncio.ensure_future(self._end(tag, running))
            raise

    def _tagged(self, tag: str, work: Callable[[Any], T]) -> T:
        self._spark.addTag(tag)  # of this thread's calls alone
        return work(self._spark)

    async def _end(self, tag: str, running: "asyncio.Future[Any]") -> None:
        """Interrupt what runs until it ends; a session in which it does not is given up."""
        loop = asyncio.get_running_loop()
        last = loop.time() + CANCEL_S
        while loop.time() < last:
            interruption = asyncio.ensure_future(in_thread(lambda: self._spark.interruptTag(tag)))
            done, _ = await asyncio.wait({running, interruption}, timeout=last - loop.time())
            done, _ = await asyncio.wait({running}, timeout=_AGAIN_S)
            if not interruption.done():
                interruption.cancel()
            elif not interruption.cancelled():
                interruption.exception()  # looked at: a server that is away has nothing to interrupt
            if running in done:
                running.exception()  # nobody waits for it
                return
        self.whole = False
        running.cancel()

    async def settle(self) -> None:
        """Wait for what is being ended."""
        ending, self._ending = self._ending, None
        if ending is not None:
            await ending

    def close(self) -> None:
        """Let the session go, without waiting for its server."""
        _let_go(self._spark)


def _let_go(spark: Any) -> None:
    """Close the way to a server, which ends every call over it, without waiting."""
    with contextlib.suppress(RuntimeError):  # the system gives no thread more: it is closed as it is collected
        threading.Thread(target=_quietly, args=(spark.client.close,), name="spark-close", daemon=True).start()


def _quietly(call: Callable[[], object]) -> None:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - nobody waits for it
        log.debug("a session could not be closed: %s", error)


async def in_thread(work: Callable[[], T]) -> T:
    """Return what blocking work gives, from a thread of its own. Raises Failed for whatever it raises."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[T] = loop.create_future()

    def tell(value: T | None, error: Failed | None) -> None:
        if found.done():
            return
        if error is not None:
            found.set_exception(error)
        else:
            found.set_result(value)  # type: ignore[arg-type]

    def run() -> None:
        value, failed = None, None
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001 - the client's errors have no common base; whatever it is ends here
            failed = Failed(error)
        with contextlib.suppress(RuntimeError):  # the loop has been closed: nobody waits
            loop.call_soon_threadsafe(tell, value, failed)

    try:
        threading.Thread(target=run, name="spark", daemon=True).start()
    except RuntimeError as error:  # the system gives no thread more
        raise Failed(error) from None
    return await found


class Sessions:
    """The sessions of one source. Raises GatewayError `engine_unavailable` or `overloaded`."""

    def __init__(self, source: Source, address: str, size: int) -> None:
        self._source = source
        self._address = address
        self._free: list[Session] = []
        self._room = asyncio.Semaphore(size)
        self._pauses = Pauses()

    async def acquire(self, wait_s: float, prefer: str = "") -> Session:
        """Return a session that nobody else has, until `release`; one with the views `prefer` where there is one."""
        try:
            async with asyncio.timeout(wait_s):
                await self._room.acquire()
        except TimeoutError:
            raise GatewayError("overloaded", "The gateway has no free session now.", "Ask again soon.") from None
        try:
            if self._free:
                place = next((i for i, one in enumerate(self._free) if one.views == prefer), -1)
                return self._free.pop(place)
            return await self._connected()
        except BaseException:
            self._room.release()
            raise

    async def release(self, session: Session) -> None:
        """Give a session back once nothing runs in it any more; one that is not whole is ended."""
        try:
            await session.settle()
        except BaseException:
            session.whole = False
            raise
        finally:
            if session.whole:
                self._free.append(session)
            else:
                session.close()
            self._room.release()

    def forget(self) -> None:
        """End the sessions that are free: the server that they led to has gone."""
        for session in self._free:
            session.close()
        self._free.clear()

    async def _connected(self) -> Session:
        self._pauses.check()
        begun: list[Any] = []
        try:
            async with asyncio.timeout(CONNECT_S):
                spark, version, escapes = await in_thread(lambda: connect(self._address, begun))
        except BaseException as error:
            for spark in begun:  # else its thread waits for as long as the server is silent
                _let_go(spark)
            if not isinstance(error, Failed | TimeoutError):
                raise
            self._pauses.away()
            # the words of the client may hold the address, which may hold a token
            told = error.kind if isinstance(error, Failed) else "it took too long"
            settings = ", ".join(error.settings) if isinstance(error, Failed) else ""
            log.error("%s cannot be reached: %s %s", self._source.path, told, settings)  # noqa: TRY400 - words, no stack
            if settings:
                raise unavailable(f"The provider's Spark has to let a session set {settings}.") from None
            raise unavailable() from None
        self._pauses.there()
        session = Session(spark)
        if tuple(int(part) for part in version.split(".")[:2]) < LEAST_VERSION or not escapes:
            session.close()
            log.error("%s has version %s, escapes in texts: %s", self._source.path, version, escapes)
            raise unavailable(
                "The provider's Spark has to be version 4, with its escapes in texts as they are by default."
            )
        return session


def connect(address: str, begun: list[Any]) -> tuple[Any, str, bool]:
    """Return a session with its settings, the server's version, and whether it reads texts as they are written.

    The session is put into `begun` before its server is asked for anything.
    """
    with warnings.catch_warnings():  # the client's own, of what it brings along
        warnings.simplefilter("ignore")
        from pyspark.sql.connect.session import SparkSession
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        logging.getLogger(name).disabled = True  # what an engine says is told by us, once, in the provider's log
    spark = SparkSession(address, userId="gateway")
    begun.append(spark)
    spark.client.set_retry_policies([])
    spark.conf._set_all(PINNED, silent=False)  # noqa: SLF001 - all in one round trip; what cannot be set is an error
    read = rows(spark, r"SELECT version() AS version, length('\\') AS length").to_pylist()[0]
    return spark, str(read["version"]), read["length"] == 1


class Sources:
    """The sessions of every source, opened when it is first asked for."""

    def __init__(self, addresses: Addresses, size: int) -> None:
        self._addresses = addresses
        self._size = size
        self._known: dict[str, Sessions] = {}

    def of(self, source: Source) -> Sessions:
        """Return the sessions of a source. Raises `engine_unavailable` where nothing says where it is."""
        if not installed():
            log.error("a policy names Spark, and its client is missing: pip install 'controlled-query-gateway[spark]'")
            raise unavailable("Its provider has to install the gateway's extra `spark`.")
        if source.path not in self._known:
            address = self._addresses(source.variable)
            if not address:
                log.error("the environment variable %s of a policy is not set", source.variable)
                raise unavailable("Its provider has to set the environment variable that the policy names.")
            self._known[source.path] = Sessions(source, address, self._size)
        return self._known[source.path]

    def close(self) -> None:
        """End every session that is free."""
        for sessions in self._known.values():
            sessions.forget()
