"""What a billing clerk, a provider or an auditor does on a store, beside a gateway that may run on it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from sqlalchemy import Connection, select

from gateway.app.clock import SystemClock, SystemRandomness
from gateway.app.offline import existing
from gateway.app.policies import read_policies
from gateway.catalog import entries
from gateway.catalog.document import PriceEntry
from gateway.catalog.model import PricePlan
from gateway.errors import GatewayError
from gateway.ledger.reconcile import Agreement
from gateway.ledger.reconcile import reconcile as compare
from gateway.metering import exports
from gateway.metering.charges import charged, events
from gateway.metering.delivery import Progress
from gateway.metering.delivery import progress as how_far
from gateway.metering.invoices import statements
from gateway.metering.issuing import Invoices, Issued
from gateway.metering.papers import Papers
from gateway.metering.periods import Period, month
from gateway.metering.reports import Report, WhatIf
from gateway.metering.reports import report as make_report
from gateway.metering.reports import simulate as reprice_all
from gateway.settings import Settings
from gateway.store.database import Store
from gateway.store.tables import events as outbox

Result = TypeVar("Result")

FORMS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any] | None]] = {
    "openmeter": exports.openmeter,
    "lago": exports.lago,
}


def _on_store(settings: Settings, work: Callable[[Store], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        store = await existing(settings)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


def invoices_of(store: Store, settings: Settings) -> Invoices:
    """Return the invoices of a store, in the settings' billing zone."""
    return Invoices(store, SystemClock(), SystemRandomness(), settings.billing_zone)


def papers_of(period: Period, bills: tuple[Issued, ...]) -> Papers:
    """Return a period's documents as billing sees them."""
    return Papers(period, bills, statements(issued.bill for issued in bills))


def issue(settings: Settings, period: str, *, draft: bool) -> Papers:
    """Issue a period's invoices, or show what they would be."""

    async def work(store: Store) -> Papers:
        made = invoices_of(store, settings)
        return papers_of(made.period(period), await (made.draft(period) if draft else made.issue(period)))

    return _on_store(settings, work)


def credit(settings: Settings, number: int, wanted: Mapping[int, Decimal | None], reason: str) -> Papers:
    """Correct an invoice by a credit note."""

    async def work(store: Store) -> Papers:
        issued = await invoices_of(store, settings).credit(number, wanted, reason)
        return papers_of(issued.bill.period, (issued,))

    return _on_store(settings, work)


def put_back(settings: Settings, path: Path) -> int:
    """Keep documents again that a restored store lacks, from the JSON that was printed of them; return how many."""
    try:
        documents = json.loads(path.read_bytes())["invoices"]
    except (OSError, ValueError, KeyError, TypeError):
        hint = "Name a file that `gateway bill show --format json` wrote."
        raise GatewayError("bad_request", f"{path.name} holds no documents.", hint) from None
    return _on_store(settings, lambda store: invoices_of(store, settings).put_back(documents))


def show(settings: Settings, period: str) -> Papers:
    """Return the documents that were issued for a period."""

    async def work(store: Store) -> Papers:
        made = invoices_of(store, settings)
        return papers_of(made.period(period), await made.issued(period))

    return _on_store(settings, work)


def _lines(connection: Connection) -> list[str]:
    return list(connection.execute(select(outbox.c.line).order_by(outbox.c.sequence)).scalars())


def _events(settings: Settings, period: str | None) -> tuple[Iterable[Mapping[str, Any]], Period | None]:
    within = month(period, settings.billing_zone) if period is not None else None
    lines = _on_store(settings, lambda store: store.read(_lines))
    return events(lines), within


def simulate(settings: Settings, plan: str, period: str, dataset: str | None) -> tuple[WhatIf, ...]:
    """Return what a period's charges would cost under a plan: one of a policy, or one in a file."""
    prices = find_plan(settings, plan, dataset)
    found, within = _events(settings, period)
    mine = [charged(event) for event in found if event["type"].endswith(".charged")]
    wanted = [c for c in mine if within is not None and within.holds(c.at) and dataset in (None, c.dataset)]
    return reprice_all(wanted, prices)


def find_plan(settings: Settings, wanted: str, dataset: str | None) -> PricePlan:
    """Return a price plan: of a YAML file that holds one plan's keys, else the policies' one of this name.

    Raises GatewayError `policy_invalid` or `bad_request`.
    """
    path = Path(wanted)
    if path.suffix in (".yaml", ".yml"):
        return _plan_in(path)
    plans = [
        entries.plan(name, entry)
        for file in read_policies(settings.policies).values()
        if dataset in (None, file.name)
        for name, entry in file.document.prices.items()
        if name == wanted
    ]
    if len({plan.version for plan in plans}) != 1:
        detail = f"The policies in {settings.policies} have {len(plans)} different plans '{wanted}'."
        hint = "Name one that is there, with --dataset where several datasets have one, or a file that ends in .yaml."
        raise GatewayError("bad_request", detail, hint)
    return plans[0]


def _plan_in(path: Path) -> PricePlan:
    hint = "Write the keys of one plan: currency, per_query, per_epsilon, per_million_rows, minimum, class_factor."
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        return entries.plan(path.stem, PriceEntry.model_validate(content))
    except (OSError, UnicodeDecodeError, YAMLError):
        raise GatewayError("policy_invalid", f"{path.name} cannot be read as YAML.", hint) from None
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise GatewayError("policy_invalid", f"{path.name}: {wrong}", hint) from None


def export(settings: Settings, form: str, period: str | None) -> list[str]:
    """Return charged events in another system's form, one JSON object a line."""
    found, within = _events(settings, period)
    made = [
        FORMS[form](event)
        for event in found
        if event["type"].endswith(".charged") and (within is None or within.holds(charged(event).at))
    ]
    return [json.dumps(entry, ensure_ascii=False) for entry in made if entry is not None]


def report(settings: Settings, dataset: str, period: str | None) -> Report:
    """Return a dataset's revenue, demand and cost."""
    found, within = _events(settings, period)
    return make_report(found, dataset, within)


def deliveries(settings: Settings) -> tuple[Progress, ...]:
    """Return how far each sink is."""
    return _on_store(settings, lambda store: store.read(how_far))


def reconcile(settings: Settings) -> Agreement:
    """Return whether log, ledger, meter and invoices agree."""
    return _on_store(settings, lambda store: store.read(compare))
