"""Whether an answer's receipt holds: checked as it arrives, against what was asked and what came. No I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from gateway.client.errors import Charged, ReceiptError
from gateway.client.kept import Kept, Seen
from gateway.evidence.offline.failure import NotVerified, parse_object
from gateway.evidence.offline.receipts import Opened, Verified, verify
from gateway.evidence.offline.tree import leaf_hash
from gateway.evidence.offline.trust import Trust

_HINT = "Keep the answer and the receipt, and tell the provider and the regulator: the log does not hold."


@dataclass(frozen=True, slots=True)
class Witnessed:
    """The witnesses that a client knows, and how many of them must have signed."""

    keys: tuple[str, ...] = ()
    quorum: int = 0


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was shown of one answer: leaf `log_index` of the log `origin` tells of it, at `tree_size` leaves.

    `since`: the size of the earlier checkpoint that this log extends; None at the first. `first_use`: the log's key was
    trusted because this was the first receipt. `document` is the receipt as it came.
    """

    query_id: str
    origin: str
    log_index: int
    tree_size: int
    since: int | None
    first_use: bool
    charged: Charged
    document: Mapping[str, Any] = field(repr=False)


def check(
    sql: str, body: bytes, answer: Mapping[str, Any], receipt: Mapping[str, Any], seen: Seen, to: Witnessed
) -> Verified:
    """Return what a receipt proves of an answer with the exact bytes `body`. Raises NotVerified.

    Checked are the signatures, both inclusion proofs, the commitments to SQL and answer, that the log extends the
    checkpoint seen before, that the leaves are this answer's, and that the answer tells the cost that is in the log.
    """
    trust = Trust(seen.keys, to.keys, to.quorum)
    found = verify(receipt, trust, Opened(sql.encode(), body), since=seen.checkpoint)
    if found.query_id != answer.get("query_id"):
        raise NotVerified("the receipt is of another query")
    named, leaf = answer.get("receipt"), found.leaf
    if (named is None) != (leaf["kind"] == "replayed"):
        raise NotVerified("the answer says that it was charged and the log that it was not, or the other way round")
    if named is not None:
        hashed = f"sha256:{leaf_hash(receipt['leaf'].encode()).hex()}"
        if (named.get("log_index"), named.get("leaf")) != (found.log_index, hashed):
            raise NotVerified("the answer names another leaf than the receipt")
    told, price, privacy = charged(leaf), answer["price"], answer["privacy"]
    if (told.amount, told.currency) != (Decimal(price["amount"]), price["currency"]):
        raise NotVerified("the answer tells another price than the log")
    if (float(told.rho), float(told.delta)) != (privacy["rho"], privacy["delta"]):
        raise NotVerified("the answer tells another privacy cost than the log")
    return found


def checked(
    sql: str, body: bytes, answer: Mapping[str, Any], sent: bytes, kept: Kept, seen: Seen, to: Witnessed
) -> Receipt | None:
    """Return what a receipt proves against what was `seen` when it was asked for, and keep its checkpoint and keys.

    None where another receipt was kept since then: this one has to be asked for anew, so that it extends that one.
    Raises ReceiptError.
    """
    receipt: dict[str, Any] | None = None
    try:
        receipt = parse_object(sent, "the receipt")
        found = check(sql, body, answer, receipt, seen, to)
        told = charged(found.leaf)
    except NotVerified as failure:
        raise does_not_hold(str(failure), body, receipt) from None
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError):
        raise does_not_hold("the receipt or the answer is not well formed", body, receipt) from None
    if not kept.learn(seen, [key.public.hex() for key in found.signed.keys], receipt["checkpoint"]):
        return None
    places = (found.origin, found.log_index, found.tree_size, found.since)
    return Receipt(found.query_id, *places, first_use=not seen.keys, charged=told, document=receipt)


def does_not_hold(why: str, body: bytes, receipt: Mapping[str, Any] | None) -> ReceiptError:
    """Return the error of a receipt, with what came."""
    error = ReceiptError("receipt_does_not_hold", f"The receipt does not hold: {why}.", _HINT)
    error.answer, error.receipt = body, receipt
    return error


def charged(leaf: Mapping[str, Any]) -> Charged:
    """Return what the leaf of a decision says was charged."""
    rho, delta, amount = (Decimal(str(leaf[name])) for name in ("rho", "delta", "amount"))
    return Charged(rho, delta, amount, str(leaf["currency"]))


def words(keys: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return one key or several as a tuple."""
    return () if keys is None else (keys,) if isinstance(keys, str) else tuple(keys)
