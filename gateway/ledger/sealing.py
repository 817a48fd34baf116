"""Commitments that show nothing until their salt is shown, and query texts that only the provider's gateway opens."""

from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import GatewayError
from gateway.ports import Randomness

SALT_BYTES = 16
_NONCE_BYTES = 12


def commitment(salt: bytes, content: bytes) -> str:
    """Return a salted commitment to some bytes: sha256 of the salt and them, in hex."""
    return sha256(salt + content).hexdigest()


class Sealer:
    """Seals texts with AES-256-GCM; a text opens under the name that it was sealed for and no other."""

    def __init__(self, key: bytes, randomness: Randomness) -> None:
        self._cipher = AESGCM(key)
        self._randomness = randomness

    def salt(self) -> bytes:
        """Return fresh bytes for a commitment."""
        return self._randomness.token_bytes(SALT_BYTES)

    def seal(self, name: str, text: str) -> bytes:
        """Return a nonce and the sealed text."""
        nonce = self._randomness.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text.encode(), name.encode())

    def open(self, name: str, sealed: bytes) -> str:
        """Return the text that was sealed under this name. Raises GatewayError `internal` where the key is another."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode()).decode()
        except InvalidTag:
            hint = "Put back the text.key that the texts were sealed with."
            raise GatewayError("internal", "The text was sealed with another key.", hint) from None
