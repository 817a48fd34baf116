"""A gateway as its client sees it, without one: answers, their receipts out of a real log, and flows played by hand."""

import json

from gateway.client.asking import Pause, Reached
from gateway.client.wire import Call, Reply
from gateway.evidence.offline.tree import consistency_proof, leaf_hash
from gateway.ledger.sealing import commitment
from gateway.store import merkle
from support.evidence import Log

SALT = b"s" * 16
SQL = "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort"
PRICE = {"amount": "4.50", "currency": "CNY", "plan": "standard", "version": "sha256:plan"}
PRIVACY = {"rho": 0.02, "delta": 0.0, "epsilon": 0.2, "as": {"epsilon": 0.93, "delta": 5e-7}, "stored": False}


def document(query_id="Q1", columns=None, rows=None, intervals=None, **known):
    """Return an answer as a gateway makes it; two rows of a count unless said otherwise."""
    if columns is None:
        columns = [{"name": "cohort", "type": "VARCHAR"}, {"name": "n", "type": "BIGINT", "noisy": True}]
        rows, intervals = [["a", 7], [None, -2]], {"n": [[5, 9], None]}
    return {
        "query_id": query_id, "state": "FINISHED", "columns": columns, "rows": rows,
        "intervals": {"confidence": 0.95, "columns": intervals}, "privacy": PRIVACY,
        "notices": ["intervals cover the noise alone"], "price": PRICE, "receipt": None, **known,
    }  # fmt: skip


class Told:
    """A log in which questions are charged and answered, and which gives their receipts."""

    def __init__(self, key=None, leaves=(b'{"kind":"first"}',), origin="gw"):
        self.log = Log(leaves, key, origin)
        self.answers = {}

    def answers_one(self, query_id="Q1", sql=SQL, **known):
        """Charge a question and answer it; return the answer's bytes."""
        index = self._add("charged", query_id, sql=commitment(SALT, sql.encode()), rho="0.02", delta="0", amount="4.50",
                          currency="CNY")  # fmt: skip
        named = {"log_index": index, "leaf": f"sha256:{leaf_hash(self.log.leaves[index]).hex()}"}
        body = json.dumps(document(query_id, receipt=named, **known)).encode()
        self.answers[query_id] = (index, self._add("answered", query_id, answer=commitment(SALT, body)))
        return body

    def replays_one(self, query_id="Q1", sql=SQL):
        """Answer a question for nothing; return the answer's bytes."""
        nothing = {**PRIVACY, "rho": 0.0, "stored": True}
        body = json.dumps(document(query_id, privacy=nothing, price={**PRICE, "amount": "0"})).encode()
        index = self._add("replayed", query_id, sql=commitment(SALT, sql.encode()), answer=commitment(SALT, body), rho="0", delta="0",
                          amount="0", currency="CNY")  # fmt: skip
        self.answers[query_id] = (index, None)
        return body

    def _add(self, kind, query_id, **content):
        leaf = {"kind": kind, "query_id": query_id, **content}
        self.log.leaves.append(json.dumps(leaf, sort_keys=True, separators=(",", ":")).encode())
        return len(self.log.leaves) - 1

    def receipt(self, query_id="Q1", since=None):
        """Return the receipt of a question as the gateway gives it to its buyer."""
        index, outcome = self.answers[query_id]
        size, tree = len(self.log.leaves), self.log.tree
        found = {
            "format": "gateway-receipt/1", "algorithm": "sha256-ed25519", "query_id": query_id,
            **self._proved(index), "outcome": None if outcome is None else self._proved(outcome), "tree_size": size,
            "key_name": self.log.origin, "key_changes": [], "witnesses": self.log.words(), "salt": SALT.hex(),
            "public_key": self.log.public, "checkpoint": self.log.note(),
        }  # fmt: skip
        if since:
            proof = consistency_proof(since, size, tree.node_at)
            found["extends"] = {"tree_size": since, "consistency_proof": [node.hex() for node in proof]}
        return found

    def _proved(self, index):
        proof = merkle.inclusion_proof(index, len(self.log.leaves), self.log.tree.node_at)
        return {
            "leaf": self.log.leaves[index].decode(),
            "log_index": index,
            "inclusion_proof": [node.hex() for node in proof],
        }


def reply(status, content=None, **headers):
    """Return a reply with a JSON body, or with the bytes given."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def problem(status, code, **members):
    return reply(status, {"title": "A title", "code": code, "detail": "what", "hint": "instead", **members})


class Played:
    """A flow and what it did: `calls`, `pauses`, `stages`; `result` once it has returned.

    Each call takes the next of `script`: a reply, an exception to throw, or a function of the call that gives either.
    """

    def __init__(self, flow, *script):
        self.calls, self.pauses, self.stages, self.result = [], [], [], None
        script = list(script)
        try:
            wanted = next(flow)
            while True:
                found = None
                match wanted:
                    case Call():
                        self.calls.append(wanted)
                        found = script.pop(0)
                        found = found(wanted) if callable(found) and not isinstance(found, BaseException) else found
                    case Pause(seconds):
                        self.pauses.append(seconds)
                        if script and isinstance(script[0], InPause):
                            found = script.pop(0).thrown
                    case Reached(stage):
                        self.stages.append(stage)
                wanted = flow.throw(found) if isinstance(found, BaseException) else flow.send(found)
        except StopIteration as done:
            self.result = done.value
        assert not script, "the flow asked for less than was expected"


class InPause:
    """Thrown into a flow while it waits."""

    def __init__(self, thrown):
        self.thrown = thrown
