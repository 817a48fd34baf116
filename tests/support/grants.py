"""Grants as providers sign them, with keys of the tests' own, and the calls that make one over HTTP."""

import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.evidence.offline.grants import key_id, signature_text, signed_bytes


class Signer:
    """A provider's key, and what it signs."""

    def __init__(self, seed=1):
        self.key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.public = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key_id = key_id(self.public)

    def sign(self, terms):
        return signature_text(self.key.sign(signed_bytes(terms)))

    def body(self, proposed, **changes):
        """Return the body that grants proposed terms, some of them changed before they are signed."""
        terms = {**proposed, "key": self.key_id, **changes}
        return {"terms": terms, "signature": self.sign(terms)}


class Exchange:
    """The parties of a grant at a gateway: a buyer of widgets or gadgets, two persons of acme, a supervisor."""

    def __init__(self, gateway, seed=1):
        self.gateway, self.signer = gateway, Signer(seed)
        self.gil = gateway.token("gil", "gadgets")
        self.eve = gateway.token("eve", "acme", ("provider",), None)
        self.mei = gateway.token("mei", "acme", ("provider",), None)
        self.sun = gateway.token("sun", "regulator", ("supervisor",), None)

    def call(self, method, path, token, body=None):
        status, reply = self.gateway.call(method, path, body, token=token)
        return status, json.loads(reply)

    def post(self, path, token, **body):
        return self.call("POST", path, token, body)

    def confirmed(self):
        """Register the signer's key by one person, and confirm it by the other."""
        assert self.post("/v1/keys", self.eve, public_key=self.signer.public.hex())[0] == 200
        status, key = self.post(f"/v1/keys/{self.signer.key_id}/confirm", self.mei)
        assert (status, key["state"]) == (200, "confirmed")
        return self

    def asked(self, token=None, **terms):
        """Return a request for a grant on the shop."""
        terms = {"purposes": ["research"], **terms}
        status, grant = self.post("/v1/grants", token or self.gil, dataset="shop", why="a study", terms=terms)
        assert (status, grant.get("state")) == (200, "requested"), grant
        return grant

    def granted(self, token=None, **terms):
        """Return a grant that was asked for and signed as it was asked."""
        asked = self.asked(token, **terms)
        body = self.signer.body(asked["proposed"])
        status, grant = self.post(f"/v1/grants/{asked['grant_id']}/grant", self.eve, **body)
        assert (status, grant.get("state")) == (200, "granted"), grant
        return grant
