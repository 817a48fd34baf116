"""Free answers as they were given last: what is asked again is neither planned, recalled nor finished again.

Nothing is decided here: who asks is admitted, and each answer entered in the ledger, as ever (docs/decisions/0019).
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, replace

from gateway.answer import Written
from gateway.ledger.model import Order
from gateway.orders import key_of
from gateway.programs import PlanJob
from gateway.request import Request

KEPT = 256
LARGEST_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Repeat:
    """A free answer and the order that it was entered by, but for what each asking has of its own."""

    order: Order
    written: Written

    def order_of(self, query_id: str, request: Request) -> Order:
        """Return the order of another asking."""
        key = key_of(query_id, request)
        return replace(self.order, query_id=query_id, idempotency_key=key, body_digest=request.body_digest)


class Repeats:
    """The latest free answers of one process, each by all that decides its plan.

    INVARIANT: every draw of such a plan is stored under its own name, and what is stored there stays as it is. So the
    answer to the same plan is the same.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Repeat] = OrderedDict()

    def known(self, job: PlanJob) -> Repeat | None:
        """Return the free answer to a question, where it is kept."""
        key = job.decisive
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def keep(self, job: PlanJob, repeat: Repeat) -> None:
        """Keep a free answer, unless it is large."""
        if len(repeat.written.first) + len(repeat.written.last) > LARGEST_BYTES:
            return
        self._kept[job.decisive] = repeat
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
