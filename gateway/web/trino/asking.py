"""What a statement does: a question is submitted, the catalogue is looked up, the session is told what to change."""

import asyncio
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from gateway.catalog.listing import Listing
from gateway.errors import GatewayError
from gateway.request import Caller
from gateway.sql.trino.model import CATALOG, SYSTEM, Meant, Statement
from gateway.web.service import Accounts, Question, Questions, Service
from gateway.web.trino.catalog import Shown as Catalogue
from gateway.web.trino.catalog import listing
from gateway.web.trino.explaining import Describe, Explain, inputs_of, of_look_up, of_quote, outputs_of
from gateway.web.trino.pages import Results, results
from gateway.web.trino.replies import Done
from gateway.web.trino.session import PREFIX, Session, check_property, told
from gateway.web.trino.shapes import SHAPES
from gateway.web.trino.showing import Shown
from gateway.web.trino.statements import (
    Deallocate,
    Execute,
    Immediate,
    Kill,
    Prepare,
    Query,
    SetSession,
    Spoken,
    Transaction,
    Use,
    spoken,
)
from gateway.web.trino.types import named

MAX_PAST = 200
"""How many past queries `system.runtime.queries` shows: the newest."""

UNREAD = frozenset({"sql_syntax", "sql_too_long", "sql_too_deep", "sql_not_select"})
"""Texts that cannot be read at all: a dataset's refusal says so, and is logged as from any other door."""


class Asking:
    """Does what statements say."""

    def __init__(self, service: Service, questions: Questions, accounts: Accounts) -> None:
        self._service = service
        self._questions = questions
        self._accounts = accounts

    async def said(self, text: str, session: Session, caller: Caller) -> Question | Results | Done:
        """Do what a statement says. Raises GatewayError."""
        return await self._do(_executed(spoken(text), session), session, caller)

    async def _do(self, said: Spoken, session: Session, caller: Caller) -> Question | Results | Done:
        match said:
            case Query():
                return await self._ask(said, session, caller)
            case Shown():
                found = await self._look_up(Query(said.sql(session.namespace)), session, caller)
                if not found.rows and said.absent is not None:
                    raise said.absent
                return found
            case Explain():
                return await self._explained(said, session, caller)
            case Describe():
                return await self._prepared(said, session, caller)
            case Kill(query_id=query_id):
                await self.kill(query_id, caller)
                return Done("CALL")
            case Use():
                return await self._use(said, caller)
            case SetSession() | Prepare() | Deallocate():
                return _changed(said, session)
            case Transaction(words="START TRANSACTION" as words):
                return Done(words, {f"{PREFIX}Started-Transaction-Id": self._service.statements.new_id()})
            case Transaction(words=words):
                return Done(words, {f"{PREFIX}Clear-Transaction-Id": "true"})
            case Execute() | Immediate():
                raise AssertionError  # INVARIANT: `_executed` has read what these execute

    async def kill(self, query_id: str, caller: Caller) -> None:
        """End a query of the caller's. Raises `not_found`, also to those who may only see it."""
        here = self._questions.tracked(query_id, caller) is not None
        if not here:
            await self._service.query(caller, query_id)
        await self._questions.cancel(query_id, caller)
        if not here and (await self._service.query(caller, query_id))["state"] == "RUNNING":
            raise GatewayError("not_found", "There is no such query of yours.", "Use the query_id of an answer.")

    async def _use(self, use: Use, caller: Caller) -> Done:
        catalog = (use.catalog or CATALOG).casefold()
        schemas = {full.rpartition(".")[0] for full in SHAPES} | {
            f"{CATALOG}.{name}" for name in await self._names(caller)
        }
        if f"{catalog}.{use.schema}".casefold() not in {schema.casefold() for schema in schemas}:
            hint = "SHOW SCHEMAS lists the datasets that you may ask."
            raise GatewayError("unknown_dataset", f"There is no schema {catalog}.{use.schema}.", hint)
        return Done("USE", {f"{PREFIX}Set-Catalog": catalog, f"{PREFIX}Set-Schema": use.schema})

    async def _names(self, caller: Caller) -> list[str]:
        return [str(dataset["name"]) for dataset in await self._service.datasets(caller)]

    async def _ask(self, query: Query, session: Session, caller: Caller) -> Question | Results:
        meant = await self._meant(query, session, caller)
        if meant.tables is not None:
            return await self._rows(meant, session, caller)
        return self._questions.submit(session.request(meant.sql, await self._dataset(meant.dataset, caller)), caller)

    async def _explained(self, explain: Explain, session: Session, caller: Caller) -> Results:
        meant = await self._meant(Query(explain.sql, explain.parameters), session, caller)
        if meant.tables is not None:
            return of_look_up(explain.told)
        return await asyncio.to_thread(of_quote, await self._quote(meant, session, caller), explain.told)

    async def _quote(self, meant: Meant, session: Session, caller: Caller) -> dict[str, Any]:
        request = session.request(meant.sql, await self._dataset(meant.dataset, caller))
        with self._questions.room(caller):
            return await self._service.quote(request, caller)

    async def _prepared(self, describe: Describe, session: Session, caller: Caller) -> Results:
        """Return the parameters or the columns of a prepared query. Raises GatewayError."""
        if describe.name not in session.prepared:
            raise _unprepared(describe.name)
        inner = _preparable(session.prepared[describe.name])
        if not isinstance(inner, Query):
            raise GatewayError("sql_not_select", "Only queries are described.", "Execute it: it is free.")
        inputs = inputs_of(inner.sql)
        if describe.inputs:
            return inputs
        if inputs.rows:
            hint = "EXECUTE it, or EXPLAIN it with constants in the places of its parameters."
            raise GatewayError("bad_request", "The columns hang on what its parameters are.", hint)
        meant = await self._meant(inner, session, caller)
        if meant.tables is not None:
            found = await self._rows(meant, session, caller)
            return outputs_of([(str(one["name"]), str(one["type"])) for one in found.columns])
        quote = await self._quote(meant, session, caller)
        return outputs_of([(one["name"], named(one["type"])) for one in quote["columns"]])

    async def _meant(self, query: Query, session: Session, caller: Caller) -> Meant:
        statement = Statement(query.sql, session.namespace, query.parameters, caller.subject)
        try:
            with self._questions.room(caller):
                return await self._service.statements.read(statement, caller)
        except GatewayError as error:
            if error.code not in UNREAD or query.parameters is not None:
                raise
            schema = session.namespace.schema
            if schema is not None and schema.casefold() not in {name.casefold() for name in await self._names(caller)}:
                raise
            return Meant(query.sql, schema)

    async def _dataset(self, written: str | None, caller: Caller) -> str | None:
        """Return a dataset's name as its policy spells it."""
        if written is None:
            return None
        spelled = {name.casefold(): name for name in await self._names(caller)}
        return spelled.get(written.casefold(), written)

    async def _look_up(self, query: Query, session: Session, caller: Caller) -> Results:
        meant = await self._meant(query, session, caller)
        if meant.tables is None:
            raise GatewayError(
                "unknown_dataset", "There is no such schema of the catalogue.", "SHOW SCHEMAS lists them."
            )
        return await self._rows(meant, session, caller)

    async def _rows(self, meant: Meant, session: Session, caller: Caller) -> Results:
        with self._questions.room(caller):
            listings = await self._listings(meant.tables or (), session, caller)
            found = await self._service.statements.look_up(meant.sql, listings, caller)
            return await asyncio.to_thread(results, found.columns, found.rows)

    async def _listings(self, names: tuple[str, ...], session: Session, caller: Caller) -> dict[str, Listing]:
        if not names:
            return {}
        datasets = {name: await self._described(name, caller) for name in await self._names(caller)}
        past = f"{SYSTEM}.runtime.queries" in names
        queries = await self._accounts.queries(caller, None, MAX_PAST) if past else ()
        catalogue = Catalogue(caller.subject, datasets, queries, session.properties)
        return {name: listing(name, catalogue) for name in names}

    async def _described(self, name: str, caller: Caller) -> dict[str, object]:
        """Return what may be asked of a dataset; nothing of one that is not open now."""
        try:
            return await self._service.dataset(caller, name)
        except GatewayError:
            return {}


def _changed(said: SetSession | Prepare | Deallocate, session: Session) -> Done:
    """Return what a client is to change in its session. Raises GatewayError."""
    match said:
        case SetSession(name=name, value=value):
            check_property(name, value)
            if value is None:
                return Done("RESET SESSION", {f"{PREFIX}Clear-Session": name})
            return Done("SET SESSION", {f"{PREFIX}Set-Session": told(name, value)})
        case Prepare(name=name, sql=sql):
            _preparable(sql)
            return Done("PREPARE", {f"{PREFIX}Added-Prepare": told(name, sql)})
        case Deallocate(name=name):
            if name not in session.prepared:
                raise _unprepared(name)
            return Done("DEALLOCATE", {f"{PREFIX}Deallocated-Prepare": quote(name, safe="")})


def _executed(said: Spoken, session: Session) -> Spoken:
    """Return the statement that EXECUTE executes. Raises GatewayError."""
    match said:
        case Immediate(sql=sql, parameters=parameters):
            pass
        case Execute(name=name, parameters=parameters):
            if name not in session.prepared:
                raise _unprepared(name)
            sql = session.prepared[name]
        case _:
            return said
    inner = _preparable(sql)
    if isinstance(inner, Query | Explain):
        return replace(inner, parameters=parameters)
    if parameters is not None:
        raise GatewayError("bad_request", "Only queries have parameters.", "Leave USING out.")
    return inner


def _preparable(sql: str) -> Spoken:
    inner = spoken(sql)
    if isinstance(inner, Execute | Immediate | Prepare | Deallocate | Describe):
        raise GatewayError("sql_not_select", "This is not executed by another statement.", "Send it by itself.")
    return inner


def _unprepared(name: str) -> GatewayError:
    hint = "PREPARE it first; the client keeps it, and sends it with each statement."
    return GatewayError("not_found", f"No statement {name[:60]!r} is prepared.", hint)
