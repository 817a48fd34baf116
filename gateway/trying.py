"""A question in the sandbox: the path from its plan to its answer over synthetic rows, with nothing to charge or keep.

INVARIANT: no draw made here is stored, and none that is stored is read here. What is drawn of synthetic rows can serve
no true question, nor be combined with one, and the other way round.
"""

import hashlib
from dataclasses import replace

from gateway.answer import Known, Written, written
from gateway.drawing import finish, grant_of
from gateway.errors import GatewayError, Interrupted, Overloaded
from gateway.ledger.model import Allowance, Order
from gateway.metering.prices import FREE
from gateway.orders import Cost, basis, buyer_id, facts, key_of, question
from gateway.parts import Parts
from gateway.planning import Planned
from gateway.ports import InputTable, Lease, Statement
from gateway.privacy.measurement import Derived, Measurement, PublicRead
from gateway.programs import PlanJob
from gateway.stages import Stage

NOTHING = Cost(0, 0, FREE, ())


async def planned(parts: Parts, job: PlanJob) -> tuple[PlanJob, Planned]:
    """Return the question over the dataset's twin, and its plan there.

    What the dataset's own engine does not compute is refused as it would be there. Raises what planning raises.
    """
    with parts.telemetry.stage(Stage.PLAN):
        if job.dataset.source.kind != "duckdb":
            await parts.planner.plan(job)
        there = replace(job, dataset=await parts.synthetic.twin(job.dataset))
        return there, await parts.planner.plan(there)


async def tried(parts: Parts, job: PlanJob, plan: Planned) -> Written:
    """Return the answer over synthetic rows. Raises GatewayError: nothing is charged, whatever happens."""
    party = job.caller.organisation
    with parts.telemetry.stage(Stage.LEASE):
        lease = await parts.synthetic.lease(job.dataset, party)
    try:
        known = await _known(parts, lease, plan, party)
        await lease.close()  # the engine is free while the answer is finished
        finished = await finish(parts, job, plan, known)
    except (Interrupted, Overloaded):
        raise
    except Exception:  # noqa: BLE001 - rows that nobody has tell of nobody: whatever fails is too much work
        hint = "Nothing was charged. Ask for less at once."
        raise GatewayError("sql_too_complex", "The synthetic rows could not be asked in time.", hint) from None
    finally:
        await lease.close()
    return written(plan, job.dataset, finished, NOTHING, None, sandbox=True)


async def _known(parts: Parts, lease: Lease, plan: Planned, party: str) -> Known:
    """Run every step of a program; each measurement is drawn anew.

    The pick has a key of its own: what is free may be asked until it is known whom a key picks, and the keys of true
    units may be the same numbers.
    """
    known, inputs = Known(), dict[str, InputTable]()
    key = hashlib.sha256(f"sandbox\n{parts.secret}".encode()).hexdigest()
    for step in plan.program.steps:
        match step:
            case Measurement():
                exact = []
                for probe in step.probes:
                    secret = (key,) * probe.parameters
                    given = tuple(inputs[name] for name in probe.inputs)
                    asked = Statement(probe.sql, secret, given, "", step.columns(probe), step.few(probe))
                    exact.append(await lease.run(asked, parts.engine_deadline_s))
                releases, _ = await parts.releaser.release(step, exact, {}, party)
                known.add(step, releases)
            case PublicRead():
                asked = Statement(step.sql, columns=step.returned)
                known.reads[step.name] = (await lease.read(asked, parts.engine_deadline_s)).ipc
            case Derived():
                inputs[step.name] = InputTable(step.name, await parts.releaser.derive(known, step, party))
    return known


def order(query_id: str, job: PlanJob, plan: Planned) -> Order:
    """Return what the ledger enters of a question of the sandbox: no account, no draw, no price.

    What it rests on is read again as that of any answer: its grant, its version, its review.
    """
    return Order(
        query_id=query_id,
        buyer=buyer_id(job.caller),
        organisation=job.caller.organisation,
        dataset=job.dataset.name,
        idempotency_key=key_of(query_id, job.request),
        body_digest=job.request.body_digest,
        question=question(plan, job.caller),
        fingerprint=plan.fingerprint,
        draws=(),
        accounts=(),
        allowance=Allowance("", None, None),
        rho=0,
        delta=0,
        amount=FREE.amount,
        currency=FREE.currency,
        facts=facts(plan, job.dataset, job.caller, job.request, grant_of(job), NOTHING),
        sql=job.request.sql,
        policy_version=job.dataset.policy_version,
        reviewed_until=job.dataset.compliance.valid_until,
        basis=basis(grant_of(job)),
    )
