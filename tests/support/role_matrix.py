"""One of each thing that an address is about, one verified member of each role, and a request to every address."""

import json

from support.gateways import eventually
from support.grants import Signer
from support.members import REVIEWERS, apply, join
from support.policy_life import DRAFT, LATER, founded

POLICY = DRAFT.replace("tables:\n", "retention: {query_texts: 30}\ntables:\n", 1)
COUNT = "SELECT COUNT(*) AS n FROM customers"
ONE_DAY = "SELECT COUNT(*) AS n FROM purchases WHERE purchased_on = DATE '1997-03-03'"
PERSONS = {
    "buyer": ("ana", "widgets"),
    "provider": ("eve", "acme"),
    "reviewer": REVIEWERS[0],
    "billing": ("bo", "exchange"),
    "supervisor": ("sun", "regulator"),
    "arbiter": ("al", "bench"),
    "no role": ("nil", "nobody"),
}
ORGANISATION = {"kind": "organisation", "legal_name": "a name", "contact": "office@example",
                "evidence": [{"kind": "register", "reference": "HRB-1"}]}  # fmt: skip
MODEL = {"kind": "covariance", "from": "purchases", "features": ["quantity", "amount"], "epsilon": 0.1}
FREEZES = {
    "provider": {"scope": "dataset", "dataset": "shop", "reason": "a look"},
    "supervisor": {"scope": "organisation", "organisation": "spare", "reason": "a look"},
}
LAST = ("/v1/datasets/{name}/withdraw", "/v1/tokens/revoke")
"""What takes a thing away that other addresses are about."""


class Exchange:
    """A gateway where each thing is there once: what is refused is refused for the role, and for nothing else."""

    def __init__(self, gateway):
        self.gateway = gateway
        founded(gateway)
        self.tokens = {
            role: gateway.token(subject, organisation, () if role == "no role" else (role,))
            for role, (subject, organisation) in PERSONS.items()
        }
        self.mei = gateway.token("mei", "acme", ("provider",))
        joining = [token for role, token in self.tokens.items() if role != "reviewer"]  # who is founded
        for token in (*joining, self.mei):
            join(gateway, token)
        self.signer = Signer()
        self.version = self.published()
        self.query = self.made("buyer", "POST", "/v1/query", {"sql": ONE_DAY})["query_id"]
        self.made("buyer", "POST", "/v1/query", {"sql": f"{ONE_DAY} AND quantity <> 7"})
        self.member = apply(gateway, gateway.token("zoe", "spare"), "organisation")[1]["member_id"]
        self.case = self.made("buyer", "POST", "/v1/cases", {"query_id": self.query, "reason": "of no use"})["case_id"]
        wanted = {"dataset": "shop", "why": "a study", "terms": {"purposes": ["research"]}}
        self.grant = self.made("buyer", "POST", "/v1/grants", wanted)
        key = {"public_key": self.signer.public.hex()}
        assert gateway.call("POST", "/v1/keys", key, token=self.mei)[0] == 200
        raising = {"dataset": "shop", "epsilon": "1", "reason": "more"}
        self.topup = json.loads(gateway.call("POST", "/v1/topups", raising, token=self.mei)[1])["topup_id"]
        assert eventually(self.alerts)
        (self.alert,) = self.alerts()

    def made(self, role, method, path, body=None):
        status, reply = self.gateway.call(method, path, body, token=self.tokens[role])
        assert status == 200, reply
        return json.loads(reply)

    def published(self):
        version = self.made("provider", "POST", "/v1/datasets/shop/versions", {"policy": POLICY})["version"]
        named = {"version": version}
        self.made("provider", "POST", "/v1/datasets/shop/submit", named)
        review = {**named, "decision": "approve", "findings": "seen", "valid_until": LATER}
        self.made("reviewer", "POST", "/v1/datasets/shop/review", review)
        status, reply = self.gateway.call("POST", "/v1/datasets/shop/publish", named, token=self.mei)
        assert status == 200, reply
        return version

    def alerts(self):
        return [one["alert_id"] for one in self.made("supervisor", "GET", "/v1/alerts")["alerts"]]

    def parts(self, path):
        """Return a path with the names of things that are there."""
        ids = {"queries": self.query, "query": self.query, "members": self.member, "cases": self.case,
               "grants": self.grant["grant_id"], "keys": self.signer.key_id, "topups": self.topup}  # fmt: skip
        noun = path.split("/")[2] if path.count("/") > 1 else ""
        known = {"name": "shop", "version": self.version, "alert_id": self.alert, "id": ids.get(noun, self.query),
                 "path": "0/000.p/1", "state": "queued", "slug": "x", "token": "0"}  # fmt: skip
        for name, value in known.items():
            path = path.replace(f"{{{name}}}", value)
        more = {"/difference": f"?to={self.version}", "/v1/invoices": "?period=2024-10"}
        return path + next((query for end, query in more.items() if path.endswith(end)), "")

    def bodies(self, role):
        """Return what a role sends to each address that takes a body."""
        named, reason = {"version": self.version}, {"reason": "a look"}
        review = {**named, "decision": "approve", "findings": "seen", "valid_until": LATER}
        freeze = FREEZES.get(role, FREEZES["supervisor"])
        here = "/v1/datasets/{name}"
        return {
            "/v1/query": {"sql": COUNT},
            "/v1/quote": {"sql": COUNT},
            "/v1/models": MODEL,
            "/v1/models/quote": MODEL,
            "/v1/spending": {"currency": "CNY", "per": "total", "amount": "1000"},
            "/v1/tokens/revoke": {},
            "/v1/topups": {"dataset": "shop", "epsilon": "1", "reason": "more"},
            "/v1/freeze": freeze,
            "/v1/unfreeze": freeze,
            "/v1/members": ORGANISATION,
            "/v1/members/{id}/suspend": reason,
            f"{here}/versions": {"policy": POLICY},
            f"{here}/versions/{{version}}/replay": {},
            f"{here}/submit": named,
            f"{here}/review": review,
            f"{here}/publish": named,
            f"{here}/rollback": named,
            f"{here}/withdraw": reason,
            "/v1/cases": {"query_id": self.query, "reason": "mine as well"},
            "/v1/cases/{id}/decide": {"finding": "of no merit"},
            "/v1/grants": {"dataset": "shop", "why": "more", "terms": {"purposes": ["research"]}},
            "/v1/grants/{id}/grant": self.signer.body(self.grant["proposed"]),
            "/v1/grants/{id}/refuse": reason,
            "/v1/grants/{id}/revoke": reason,
            "/v1/keys": {"public_key": self.signer.public.hex()},
            "/v1/keys/{id}/revoke": {"organisation": "acme"},
            "/v1/log/cosignatures": {"tree_size": 1, "line": "a line"},
        }

    def tried(self, role, method, path):
        """Call an address as a role; return the status and the code, None where it gave what was asked."""
        if path == "/v1/statement":
            plain = {"Content-Type": "text/plain"}
            reply = self.gateway.call(method, path, raw=b"SHOW SCHEMAS", token=self.tokens[role], headers=plain)
        else:
            body = self.bodies(role).get(path) if method in ("POST", "PUT") else None
            reply = self.gateway.call(method, self.parts(path), body, token=self.tokens[role])
        return reply[0], json.loads(reply[1])["code"] if reply[0] >= 400 else None
