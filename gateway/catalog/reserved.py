"""The organisation that drills freeze (cli/drill.py): policies grant for it, and nobody real goes by its name. Pure."""

from collections.abc import Iterator

from gateway.catalog.document import PolicyDocument
from gateway.request import DRILL, is_reserved


def misused(document: PolicyDocument) -> Iterator[str]:
    """Yield the path of each part of a policy that has the drills' organisation own, review or be paid for something.

    It would be frozen with every drill. A grant to it is what drills ask under.
    """
    if is_reserved(document.provider.organisation):
        yield "provider.organisation"
    if is_reserved(document.privacy.account or ""):
        yield "privacy.account"
    if is_reserved(document.compliance.reviewed_by or ""):
        yield "compliance.reviewed_by"
    for name, plan in document.prices.items():
        yield from (f"prices.{name}.income_split.{payee}" for payee in plan.income_split if is_reserved(payee))


MESSAGE = f"the organisation `{DRILL}` is reserved for the drills of a freeze"
FIX = "Write another organisation's name; under `grants` it may stand."
