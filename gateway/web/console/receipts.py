"""A receipt as the console shows it: what was checked of it here, and nothing that was not."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from gateway.errors import GatewayError
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.receipts import Opened, Verified, verify
from gateway.request import Caller
from gateway.web.service import Service


@dataclass(frozen=True, slots=True)
class Checked:
    """A receipt, and what the verifier says of it: `verified`, or `failure` in its words."""

    receipt: dict[str, Any]
    verified: Verified | None
    failure: str | None


async def checked(service: Service, caller: Caller, query_id: str, answer: dict[str, Any] | None) -> Checked | None:
    """Fetch a query's receipt and check it, against the answer too where it is given; None where there is none yet."""
    try:
        receipt = await service.receipt(caller, query_id, None)
    except GatewayError as error:
        if error.code != "not_found":
            raise
        return None
    return await asyncio.to_thread(examined, receipt, answer)  # an answer may be large: the event loop is not held up


def examined(receipt: dict[str, Any], answer: dict[str, Any] | None) -> Checked:
    """Return a receipt with what the verifier says of it, and of the answer where it is given."""
    opened = Opened(answer=stored_bytes(answer)) if answer is not None and "salt" in receipt else None
    try:
        return Checked(receipt, verify(receipt, opened=opened), None)
    except NotVerified as failure:
        return Checked(receipt, None, str(failure))


def stored_bytes(answer: dict[str, Any]) -> bytes:
    """Return the bytes of an answer that was read from them: the log has committed to these."""
    return json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(", ", ": ")).encode()
