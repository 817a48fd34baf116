"""The path of a query in thirteen steps. 1 and 13 (bytes in, bytes out) are the front door's, 9 to 12 drawing.py's.

So is asking for step 2, once: a stranger is turned away before the bytes of the question are read.

Each step takes and returns its own frozen type, so that none can be skipped or run twice. Nothing here opens a
file, a socket or a database: the parts do, and are passed in.
"""

from dataclasses import replace

from gateway import trying
from gateway.answer import Known, quote_document, written
from gateway.catalog.model import Dataset, Grant
from gateway.drawing import Quoted, cause, draw, finish, grant_of, query_failed
from gateway.engines.encoded import Encoded
from gateway.errors import GatewayError, Interrupted
from gateway.ledger.model import MAX_FAILURES, Charge, Failed, InFlight, Looked, Order, Stored, suspended
from gateway.models.asked import Model
from gateway.orders import buyer_id, cost, draws, levels, order
from gateway.parts import Parts
from gateway.planning import Planned
from gateway.policy.decide import admit
from gateway.policy.model import Refusal
from gateway.policy.rules.mode import preferred
from gateway.ports import Lease, Statement
from gateway.privacy.release import recalled
from gateway.privacy.reuse import reuse, series_of
from gateway.programs import PlanJob
from gateway.repeats import Repeat
from gateway.request import Caller, Request
from gateway.stages import Stage

SANDBOX = "sandbox"
"""The mode of questions over synthetic rows."""


async def quote(parts: Parts, request: Request, caller: Caller) -> dict[str, object]:
    """Return what a query would cost: steps 3 to 7. Touches no data and costs nothing."""
    _buys(caller)
    job = replace(await _admitted(parts, request, caller), quote=True)
    if request.mode == SANDBOX:
        there, planned = await _tried_plan(parts, job)
        due = cost(planned, there.dataset, grant_of(job), frozenset())
        beside = [cost(level, there.dataset, grant_of(job), frozenset()) for level in levels(planned)]
        return {"sandbox": True, **quote_document(planned, there.dataset, due, beside)}
    quoted = await _quoted(parts, job)
    others = [await _priced(parts, job, level) for level in levels(quoted.planned)]
    return quote_document(quoted.planned, job.dataset, quoted.due, [other.due for other in others])


async def answer(parts: Parts, request: Request, caller: Caller, *, new: bool = False) -> bytes:
    """Return the exact bytes of a durable answer: steps 3 to 12. `new`: the door has just found nothing of its key.

    Raises GatewayError: any refusal (free, logged), `budget_exhausted`, or the uniform `query_failed` (charged).
    """
    _buys(caller)
    query_id = parts.new_id()
    with parts.telemetry.query(query_id):
        return await _answered(parts, request, caller, query_id, new=new)


async def compose(parts: Parts, model: Model, request: Request, caller: Caller) -> Request:
    """Return the question whose answer a model is fitted from. Raises GatewayError: any refusal (free, logged)."""
    _buys(caller)
    job = await _admitted(parts, request, caller)
    try:
        sql = await parts.planner.compose(job.dataset, model, caller.organisation)
    except GatewayError as error:
        await _refused(parts, job.dataset, caller, job.grant, error)
        raise
    return replace(request, sql=sql, composed=True)


async def stored(parts: Parts, request: Request, caller: Caller) -> bytes | None:
    """Return the stored answer of a request by its idempotency key, once it is there; None: nothing is."""
    _buys(caller)
    return await _known(parts, request, caller)


async def given(parts: Parts, request: Request, caller: Caller) -> Looked:
    """Look once at a request's idempotency key, for an answer that is stored by now; nothing is waited for."""
    _buys(caller)
    if request.idempotency_key is None:
        return Looked()
    try:
        found = await parts.book.lookup(buyer_id(caller), request.idempotency_key, request.body_digest)
    except GatewayError:
        return Looked()  # whoever asks is told as of any other question
    if not isinstance(found, Stored):
        return Looked(new=found is None)
    with parts.telemetry.query(found.query_id):
        return Looked(found.answer)


async def _answered(parts: Parts, request: Request, caller: Caller, query_id: str, *, new: bool) -> bytes:
    pause_s = 0.05
    while True:
        # what was paid for is given whatever has happened since: a suspension, a withdrawn grant, data that are away;
        # but for a freeze, which holds everything up until it is lifted
        # INVARIANT: what is found here only spares work. Of two of one key, both new, the store's transaction that
        # charges or enters the answer takes the first and tells the second, which then looks here
        known = None if new else await _known(parts, request, caller)
        if known is not None:
            return known
        new = False
        job = await _admitted(parts, request, caller)
        if request.mode == SANDBOX:
            done = await _tried(parts, job, query_id)
        elif (repeat := parts.repeats.known(job)) is not None:
            done = await _repeated(parts, job, repeat, query_id)
        else:
            done = await _asked(parts, job, query_id)
        if done is not None:
            return done
        # another request draws what this one needs: look again, less and less often
        await parts.pause(pause_s)
        pause_s = min(2 * pause_s, 0.8)


async def _asked(parts: Parts, job: PlanJob, query_id: str) -> bytes | None:
    """Answer a question; None where another request holds it."""
    # 3 to 7. parse, resolve, permit, plan privacy, recall and price
    quoted = await _quoted(parts, job)
    wanted = order(
        query_id, quoted.planned, job.dataset, job.caller, job.request, quoted.grant, quoted.due, parts.clock.now()
    )
    return await _attempt(parts, quoted, wanted)


async def _tried(parts: Parts, job: PlanJob, query_id: str) -> bytes | None:
    """Answer a question of the sandbox: nothing is charged, recalled or kept but the answer itself."""
    there, planned = await _tried_plan(parts, job)
    try:
        made = await trying.tried(parts, there, planned)
    except GatewayError as error:
        error.fingerprint = planned.fingerprint
        await _refused(parts, job.dataset, job.caller, job.grant, error)
        raise
    out = made.of(query_id, parts.clock.now())
    return await _given(parts, job.caller, trying.order(query_id, there, planned), out)


async def _tried_plan(parts: Parts, job: PlanJob) -> tuple[PlanJob, Planned]:
    try:
        return await trying.planned(parts, job)
    except GatewayError as error:
        await _refused(parts, job.dataset, job.caller, job.grant, error)
        raise


def _buys(caller: Caller) -> None:
    if "buyer" not in caller.roles:
        raise GatewayError("forbidden", "Questions are for buyers.", "Ask with a token whose roles include buyer.")


async def _admitted(parts: Parts, request: Request, caller: Caller) -> PlanJob:
    """Find the dataset and the grant that covers the caller; the same refusal for ungranted and absent ones."""
    parts.free.admit(caller)
    dataset, now = await parts.published.dataset(request.dataset, caller), parts.clock.now()
    decision = admit(dataset, caller, request.purpose, now.date(), request.mode)
    if isinstance(decision, Refusal) or preferred(decision.grant):  # by the policy alone: the store may grant more
        granted = await parts.published.granted(dataset, caller)
        decision = admit(dataset, caller, request.purpose, now.date(), request.mode, granted)
    if isinstance(decision, Refusal):
        error = GatewayError(decision.code, decision.detail, decision.hint, decision.position)
        await _refused(parts, dataset, caller, None, error)
        raise error
    shut: GatewayError | None = None
    if dataset.suspended is not None:
        shut = GatewayError("dataset_suspended", "The dataset is suspended.", "Its provider has been told; try later.")
    elif await parts.book.failures(buyer_id(caller), dataset.name) >= MAX_FAILURES:
        shut = suspended()
    else:
        try:
            await parts.book.refuse_frozen(buyer_id(caller), caller.organisation, dataset.name)
        except GatewayError as error:
            shut = error
    if shut is not None:
        await _refused(parts, dataset, caller, decision.grant, shut)
        raise shut
    return PlanJob(dataset, caller, request, now, decision.grant)


async def _refused(parts: Parts, dataset: Dataset, caller: Caller, grant: Grant | None, error: GatewayError) -> None:
    await parts.telemetry.refused(dataset, caller, grant, error)
    await parts.free.count(caller)


async def _known(parts: Parts, request: Request, caller: Caller) -> bytes | None:
    """Return the stored answer to this idempotency key, waiting while another request works on it."""
    if request.idempotency_key is None:
        return None
    pause_s = 0.02
    while True:
        found = await parts.book.lookup(buyer_id(caller), request.idempotency_key, request.body_digest)
        match found:
            case None:
                return None
            case Stored():
                return found.answer
            case Failed():
                raise query_failed()
            case InFlight(query_id=query_id):
                parts.telemetry.charged(query_id)
                await parts.pause(pause_s)
                pause_s = min(1.5 * pause_s, 0.5)  # hundreds may wait, behind no connection of theirs


async def _quoted(parts: Parts, job: PlanJob) -> Quoted:
    # 3 to 6. parse, resolve, permit, plan privacy: in a killable process
    try:
        with parts.telemetry.stage(Stage.PLAN):
            planned = await parts.planner.plan(job)
    except GatewayError as error:
        await _refused(parts, job.dataset, job.caller, job.grant, error)
        raise
    return await _priced(parts, job, planned)


async def _priced(parts: Parts, job: PlanJob, planned: Planned) -> Quoted:
    # 7. recall and price
    with parts.telemetry.stage(Stage.PRICE):
        buyer = buyer_id(job.caller)
        stored = await parts.book.releases(buyer, list(draws(planned)))
        lacking = series_of(planned.program, stored)
        reused = reuse(planned.program, stored, await parts.book.held(buyer, lacking) if lacking else {})
        planned = replace(planned, program=reused.program, notices=(*planned.notices, *reused.notices))
        known = {**stored, **reused.served, **reused.beside}
        due = cost(planned, job.dataset, grant_of(job), frozenset(known))
        return Quoted(job, planned, due, known, reused.served)


async def _attempt(parts: Parts, quoted: Quoted, wanted: Order) -> bytes | None:
    """Charge and run, or replay what is stored; None where another request holds the same question."""
    # what answers a question for the first time answers it from then on
    if quoted.served and not await parts.book.pin(wanted.buyer, quoted.served):
        return None
    if quoted.due.free:
        return await _replayed(parts, quoted, wanted)
    # an engine that is down must cost nothing: it is held before the charge
    lease = await _leased(parts, quoted)
    try:
        # 8. charge, durably, before the database is asked
        charge = await _charged(parts, quoted, wanted)
        match charge:
            case InFlight():
                return None
            case Stored():
                return charge.answer
            case Failed():
                raise query_failed()
            case Charge():
                parts.telemetry.charged(charge.query_id)
                return await draw(parts, quoted, lease, charge)
    finally:
        await lease.close()


async def _leased(parts: Parts, quoted: Quoted) -> Lease:
    with parts.telemetry.stage(Stage.LEASE):
        return await parts.published.lease(quoted.dataset, quoted.caller.organisation)


async def _charged(parts: Parts, quoted: Quoted, wanted: Order) -> Charge | InFlight | Stored | Failed:
    try:
        with parts.telemetry.stage(Stage.CHARGE):
            return await parts.book.charge(wanted)
    except GatewayError as error:
        error.fingerprint = quoted.planned.fingerprint
        await _refused(parts, quoted.dataset, quoted.caller, quoted.grant, error)
        raise


async def _repeated(parts: Parts, job: PlanJob, repeat: Repeat, query_id: str) -> bytes | None:
    """Answer as the last time; None where another request with this key is at work by now."""
    wanted = repeat.order_of(query_id, job.request)
    return await _given(parts, job.caller, wanted, repeat.written.of(query_id, parts.clock.now()))


async def _replayed(parts: Parts, quoted: Quoted, wanted: Order) -> bytes | None:
    """Answer from stored draws; None where another request with this key is at work by now.

    Public rows are read again: they cost nothing and are not kept.
    """
    known = Known()
    for measurement in quoted.planned.program.measurements:
        releases = recalled(measurement, quoted.stored)
        assert releases is not None  # INVARIANT: nothing is due, so every primitive is stored
        known.add(measurement, releases)
    if quoted.reads:
        lease = await _leased(parts, quoted)
        try:
            for step in quoted.reads:
                asked = Statement(step.sql, query_id=wanted.query_id, columns=step.returned)
                known.reads[step.name] = await _read_free(parts, lease, asked)
        finally:
            await lease.close()
    made = written(
        quoted.planned,
        quoted.dataset,
        await _finished_free(parts, quoted, known, wanted.query_id),
        quoted.due,
        None,
    )
    out = await _given(parts, quoted.caller, wanted, made.of(wanted.query_id, parts.clock.now()))
    # what an earlier release serves is pinned by now, and from now on answers under its own name, without a word of it
    if out is not None and not (quoted.served or quoted.reads or quoted.planned.momentary):
        parts.repeats.keep(quoted.job, Repeat(wanted, made))
    return out


async def _given(parts: Parts, caller: Caller, wanted: Order, out: bytes) -> bytes | None:
    """Enter a free answer in the ledger and give it, or what its key has meanwhile; None while that is worked on."""
    match await parts.book.replay(wanted, out):
        case None:
            await parts.free.count(caller)
            return out
        case Stored() as earlier:
            return earlier.answer
        case Failed():
            raise query_failed()
        case InFlight():
            return None


async def _read_free(parts: Parts, lease: Lease, asked: Statement) -> bytes:
    """Read public rows for a free answer. What fails here was not charged, and is not called so."""
    try:
        return (await lease.read(asked, parts.engine_deadline_s)).ipc
    except GatewayError as error:
        if isinstance(error, Interrupted):
            raise
        parts.telemetry.failed(asked.query_id, cause(error))
        hint = "Nothing was charged. The provider has been told; ask again later."
        raise GatewayError("engine_unavailable", "The public rows cannot be read now.", hint) from None


async def _finished_free(parts: Parts, quoted: Quoted, known: Known, query_id: str) -> Encoded:
    """Finish a free answer. It is made of what was released: that this is too much work tells of nobody."""
    try:
        return await finish(parts, quoted.job, quoted.planned, known)
    except GatewayError:
        raise
    except Exception as error:  # noqa: BLE001 - a deadline or memory, as the finisher met it
        parts.telemetry.failed(query_id, cause(error))
        hint = "Nothing was charged. Join released rows by equalities, or aggregate before joining."
        detail = "What is computed of released values takes too much time or memory."
        raise GatewayError("sql_too_complex", detail, hint) from None
