"""Spark from the gateway's side: leases of sessions, each over exactly the files that were declared."""

import logging
import time
from functools import partial
from typing import Any

import pyarrow as pa

from gateway.catalog.inspection import Inspection, InspectionOrder
from gateway.engines import spark_catalog, spark_files
from gateway.engines.sources import Addresses, unavailable
from gateway.engines.spark_files import Folder
from gateway.engines.spark_frames import asked, fetched
from gateway.engines.spark_rows import holding, planned, scanned
from gateway.engines.spark_sessions import Failed, Session, Sessions, Sources
from gateway.engines.streams import stream
from gateway.errors import GatewayError
from gateway.ports import EngineCost, EngineProgress, ExactRows, PublicRows, Source, Statement

log = logging.getLogger("gateway.provider")

STAMP_S = 30.0
INSPECT_S = 600.0


class _Changed(Exception):
    """The files are others than those that a statement was to read."""


class SparkLease:
    """A session with views of the declared files, until `close`."""

    def __init__(self, sessions: Sessions, session: Session, place: str, folder: Folder) -> None:
        self._sessions = sessions
        self._session: Session | None = session
        self._place = place
        self._folder = folder
        self._since: float | None = None

    async def run(self, statement: Statement, deadline_s: float) -> ExactRows:
        """Run one statement. Raises GatewayError `query_failed` for whatever goes wrong in the engine."""
        return ExactRows(*await self._rows(statement, deadline_s))

    async def read(self, statement: Statement, deadline_s: float) -> PublicRows:
        """Run one statement over public tables alone. Raises GatewayError `query_failed` as well."""
        return PublicRows(*await self._rows(statement, deadline_s))

    async def _rows(self, statement: Statement, deadline_s: float) -> tuple[bytes, EngineCost]:
        assert self._session is not None  # INVARIANT: nothing is run on what was given back
        start = self._since = time.perf_counter()
        try:
            ipc, rows, nodes = await self._session.call(lambda spark: self._run(spark, statement), deadline_s)
        except (Failed, TimeoutError) as error:
            # the words of an engine may hold values: they are the provider's log's alone, and in no cause that is kept
            told = error.brief if isinstance(error, Failed) else "it took too long, and was ended"
            log.error("query %s: the statement failed: %s", statement.query_id, told)  # noqa: TRY400
            cause = error if isinstance(error, TimeoutError) else None
            raise GatewayError("query_failed", "The engine could not finish the query.", "") from cause
        finally:
            self._since = None
        return ipc, EngineCost((time.perf_counter() - start) * 1000, 0.0, rows, 0, nodes)

    def _run(self, spark: Any, statement: Statement) -> tuple[bytes, int, tuple[tuple[str, int], ...]]:
        with holding(spark, statement.inputs):
            frame = asked(spark, statement.sql, statement.parameters)
            table: pa.Table = planned(fetched(frame), statement.columns)
        # the views hold a list of files, and no engine holds the files: what was overwritten meanwhile is told apart
        if _listed(spark, self._place, self._folder) != spark_files.files_of(self._folder):
            raise _Changed("the files changed while they were read")
        return stream(table), table.num_rows, scanned(frame)

    async def progress(self) -> EngineProgress | None:
        """Return the tasks of the statement that are done, of those that its stages have so far, and the bytes read."""
        if self._session is None or self._since is None:
            return None
        elapsed_ms, told = (time.perf_counter() - self._since) * 1000, self._session.told
        if told is None:
            return EngineProgress(elapsed_ms)
        return EngineProgress(elapsed_ms, tasks=(told.done, told.tasks), read_bytes=told.read_bytes)

    async def close(self) -> None:
        """Give the session back, once; one in which a statement does not end is given up."""
        session, self._session = self._session, None
        if session is not None:
            await self._sessions.release(session)


def _listed(spark: Any, place: str, folder: Folder) -> tuple[spark_files.File, ...]:
    return spark_files.listed(spark, [spark_files.place_of(place, name) for name in folder])


class SparkEngine:
    """The engine port over Spark Connect, a few sessions for each source."""

    def __init__(self, addresses: Addresses, size: int, wait_s: float) -> None:
        self._sources = Sources(addresses, size)
        self._wait_s = wait_s
        self._folders: dict[tuple[str, str], Folder] = {}
        """The tables of each stamp that was seen here, so that it can be taken again."""

    async def lease(self, source: Source, stamp: str, party: str | None = None) -> SparkLease:
        """Return a session with views of the files as they were at `stamp`.

        Raises GatewayError `refresh_needed`, `engine_unavailable` or `overloaded`.
        """
        del party  # sessions are handed out in order of arrival
        sessions = self._sources.of(source)
        folder = self._folders.get((source.path, stamp))
        if folder is None:
            raise _undeclared()
        for fresh in (False, True):
            session = await sessions.acquire(self._wait_s, stamp)
            try:
                same = await session.call(partial(_opened, session, source.place, stamp, folder), STAMP_S)
            except (Failed, TimeoutError) as error:
                session.whole = False
                await sessions.release(session)
                if isinstance(error, Failed) and error.condition == "PATH_NOT_FOUND":
                    raise _undeclared() from None
                # a session that was left from before a restart is none; a new one that fails says more
                if not fresh and not isinstance(error, TimeoutError):
                    sessions.forget()
                    continue
                log.error("%s does not answer: %s", source.path, type(error).__name__)  # noqa: TRY400 - words, no stack
                raise unavailable() from None
            except BaseException:
                session.whole = False
                await sessions.release(session)
                raise
            if not same:
                await sessions.release(session)
                raise _undeclared()
            return SparkLease(sessions, session, source.place, folder)
        raise AssertionError  # INVARIANT: the second attempt returns or raises

    async def inspect(self, source: Source, order: InspectionOrder) -> Inspection:
        """Return what Spark says of a policy's tables, for its provider.

        Raises GatewayError `policy_invalid` for files that cannot be read as tables.
        """
        sessions = self._sources.of(source)
        session = await sessions.acquire(self._wait_s)
        session.views = ""
        try:
            found, folder = await session.call(lambda spark: _inspected(spark, source.place, order), INSPECT_S)
        except (Failed, TimeoutError) as error:
            session.whole = False
            told = error.brief if isinstance(error, Failed) else "it took too long"
            log.error("%s cannot be inspected: %s", source.path, told)  # noqa: TRY400 - words, no stack
            raise unavailable() from None
        finally:
            await sessions.release(session)
        if isinstance(found, GatewayError):
            raise found
        self._folders[source.path, found.stamp] = folder
        return found

    async def close(self) -> None:
        """End every session that is free."""
        self._sources.close()


def _opened(session: Session, place: str, stamp: str, folder: Folder, spark: Any) -> bool:
    """Tell whether the files are those of a stamp, and make views of them where the session has none."""
    if _listed(spark, place, folder) != spark_files.files_of(folder):
        return False
    if session.views != stamp:
        session.views = ""
        spark_files.show(spark, folder)
        session.views = stamp
    return True


def _inspected(spark: Any, place: str, order: InspectionOrder) -> tuple[Inspection | GatewayError, Folder]:
    """Return what is found, or the refusal of it: a thread's errors are otherwise the engine's."""
    try:
        return spark_catalog.inspect(spark, place, order)
    except GatewayError as refusal:
        return refusal, {}


def _undeclared() -> GatewayError:
    hint = "The provider has to declare the new data: gateway dataset refresh."
    return GatewayError("refresh_needed", "The files changed and were not declared.", hint)
