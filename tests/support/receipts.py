"""What receipts of a small log are about, who signs it, and how its key is turned."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.evidence import rotation, signing
from gateway.evidence.keys import KeyRing
from gateway.evidence.offline.notes import WITNESS_TYPE, Key
from gateway.evidence.offline.trust import Trust
from gateway.ledger.model import Account
from support.evidence import ORIGIN, START
from support.stores import order

WIDE = (Account("data/a", 10**6, 10**6),)
SQL = order().sql.encode()
ANSWER = b'{"rows": [[7841]]}'
WITNESS = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
WORD = Key("w.example/1", WITNESS_TYPE, signing.public_bytes(WITNESS))


def trust(receipt):
    return Trust((receipt["public_key"],))


def line_of(note, key=WITNESS, name="w.example/1"):
    return signing.cosign(note.rpartition("\n\n")[0] + "\n", name, key, 1_790_000_000)


def open_key_of(byte):
    return Ed25519PrivateKey.from_private_bytes(byte * 32)


async def rotated(store, folder):
    return await rotation.rotate(store, KeyRing(folder), ORIGIN, START)
