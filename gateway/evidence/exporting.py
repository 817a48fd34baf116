"""Bundles for arbitration: the files of one query's evidence."""

import json
from collections.abc import Mapping

from gateway.evidence.offline import bundles
from gateway.evidence.receipts import Evidence

README = """What this is
============
Evidence of one query of a controlled query gateway, for whoever has to judge it.

receipt.json   what the gateway's log says of the query (its decision, and its outcome), with proofs that the log
               holds both, and the log's head as it was signed
checkpoint     that signed head by itself, with the signatures of the witnesses that saw it
event.json     the meter event that was billed, if there is one
policy.json    the policy that the query was decided under, if its text is at hand; its SHA-256 is the version in the
               leaf

How to check it without the gateway
===================================
    gateway evidence verify THIS.zip --key KEY [--witness WITNESS_KEY] [--sql FILE] [--answer FILE]

KEY is the log's public key as you were given it when you joined; without it the check shows that the parts agree, not
who signed them. `python -m gateway.evidence.offline` does the same and needs nothing but Python and the package
`cryptography`. The SQL and the answer are not in here: the parties bring them. If the receipt holds a salt, the check
tells whether they are the ones that the log committed to: sha256(salt || bytes).

By hand: the signature lines are Ed25519 over the text above the empty line (C2SP signed notes); a leaf's hash is
sha256(0x00 || leaf), a node's sha256(0x01 || left || right), and `inclusion_proof` leads from the one to the root in
the third line of the checkpoint (RFC 9162, section 2.1.3.2).
"""


async def bundle(
    evidence: Evidence, query_id: str, policies: Mapping[str, tuple[str, bytes]], *, salt: bool
) -> dict[str, bytes]:
    """Return the files of a query's bundle.

    `policies` has, by dataset, the version and canonical text of each policy at hand. `salt`: with the salt, which
    lets whoever holds the bundle check a guess of the SQL. Raises GatewayError `not_found`.
    """
    receipt = await evidence.receipt(query_id, owner=salt, any_decision=True)
    event = await evidence.event(query_id)
    decision = json.loads(str(receipt["leaf"]))
    files = {
        bundles.README: README.encode(),
        bundles.RECEIPT: (json.dumps(receipt, indent=2, ensure_ascii=False) + "\n").encode(),
        bundles.CHECKPOINT: str(receipt["checkpoint"]).encode(),
    }
    if event is not None:
        files[bundles.EVENT] = (json.dumps(event, indent=2, ensure_ascii=False) + "\n").encode()
    version, text = policies.get(str(decision.get("dataset")), ("", b""))
    if version and version == decision.get("policy_version"):
        files[bundles.POLICY] = text
    return files
