"""What a policy decides without its engine: budgets, grants, prices, its unit."""

from gateway.catalog import entries
from gateway.catalog.document import REFILL_ADMITS, PolicyDocument
from gateway.catalog.load import PolicyLines
from gateway.catalog.model import Accounting
from gateway.catalog.problems import Problems


def check_alone(document: PolicyDocument, lines: PolicyLines) -> None:
    """Check what a policy decides without its engine: budgets, grants, prices, its unit. Raises PolicyErrors."""
    problems = Problems(document, lines)
    alone(problems)
    problems.refuse()


def alone(problems: Problems) -> None:
    """Add what a policy gets wrong without its engine."""
    _check_budgets(problems)
    _check_grants(problems)
    _check_unit(problems)


def _check_unit(problems: Problems) -> None:
    document = problems.document
    for index, place in enumerate(document.confirm):
        fix = "Look at it, correct it, and take this line away."
        problems.add(f"confirm.{index}", f"nobody has confirmed {place}", fix)
    if document.privacy.unit.table not in document.tables:
        problems.add("privacy.unit.table", "the unit's table is not among the tables", "Add it under `tables`.")
        return
    crossing, unit = document.compliance.cross_border, document.tables[document.privacy.unit.table]
    if crossing is not None and crossing.units is None and "rows" not in unit.model_fields_set:
        fix = "Declare `rows` of the unit's table, or write `units`."
        problems.add("compliance.cross_border", "it is not declared how many people the data are of", fix)


def _check_budgets(problems: Problems) -> None:
    privacy = problems.document.privacy
    levels = (privacy.budget, privacy.per_organisation, privacy.per_buyer)
    pure = privacy.accounting is Accounting.PURE
    if pure and any(level is not None and level.delta is not None for level in levels):
        problems.add("privacy.budget.delta", "pure accounting has no delta", "Remove it, or write accounting: zcdp.")
    if not pure and privacy.budget.delta is None:
        problems.add("privacy.budget.delta", "the budget has no delta", "Write for example delta: 1.0e-6.")
    inner = [level.epsilon for level in levels if level is not None]
    largest = privacy.per_query.max_epsilon
    if largest > min(inner):
        problems.add("privacy.per_query.max_epsilon", f"no query can pay {largest}", f"At most {min(inner)}.")
    if privacy.refill is not None and privacy.refill.admits != REFILL_ADMITS:
        problems.add("privacy.refill.admits", "it does not say what refilling costs", f"Write: {REFILL_ADMITS}.")
    if privacy.per_query.default_epsilon > largest:
        problems.add("privacy.per_query.default_epsilon", "the default is above the maximum", f"At most {largest}.")


def _check_grants(problems: Problems) -> None:
    document = problems.document
    for index, grant in enumerate(document.grants):
        path = f"grants.{index}"
        if grant.price_plan is not None and grant.price_plan not in document.prices:
            problems.add(f"{path}.price_plan", f"there is no plan '{grant.price_plan}'", "Add it under `prices`.")
        if grant.valid is not None and grant.valid[0] > grant.valid[1]:
            problems.add(f"{path}.valid", "the grant ends before it begins", "Swap the dates.")
        if grant.spend is not None and grant.price_plan is None:
            problems.add(f"{path}.spend", "the grant has no price plan to spend in", "Add `price_plan`.")
    names = [entries.grant_name(grant) for grant in document.grants]
    if len(set(names)) != len(names):
        fix = "Give each its own `name`: uses, budgets and caps hang on it."
        problems.add("grants", "two grants have one name, or one recipient and no name", fix)
    for name, plan in document.prices.items():
        if plan.income_split and sum(plan.income_split.values()) != 1:
            problems.add(f"prices.{name}.income_split", "the shares do not sum to 1", "Make them sum to exactly 1.")
