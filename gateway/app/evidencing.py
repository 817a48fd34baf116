"""The log's evidence wired to a store, and the one-off tasks on it: keys, copies, bundles, filings."""

from gateway.errors import GatewayError
from gateway.evidence import rotation
from gateway.evidence.keys import KeyRing
from gateway.evidence.marks import MarkFile
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.notes import WITNESS_TYPE, Key, read_key
from gateway.evidence.opening import check_mark
from gateway.evidence.receipts import Evidence
from gateway.settings import Settings
from gateway.store.database import Store


async def open_evidence(store: Store, settings: Settings) -> Evidence:
    """Return the evidence of a store, once it is known to be no older than what was signed, and marked.

    Raises GatewayError `store_rolled_back` or `settings_invalid`.
    """
    mark, ring = MarkFile(settings.state), KeyRing(settings.state)
    await check_mark(store, mark)
    await rotation.settle(store, ring, settings.source)
    evidence = Evidence(store, ring, settings.source, mark, witnesses(settings.witnesses))
    await evidence.checkpoint()
    return evidence


def witnesses(words: str) -> tuple[Key, ...]:
    """Return the keys of a setting's words. Raises GatewayError `settings_invalid`."""
    try:
        return tuple(read_key(word, "", WITNESS_TYPE) for word in words.replace(",", " ").split())
    except NotVerified as failure:
        hint = "Write the keys that `gateway witness` prints, with spaces between them."
        raise GatewayError("settings_invalid", f"GATEWAY_WITNESSES cannot be used: {failure}.", hint) from None
