"""Who acts in the life of a policy, over HTTP: a provider's two persons, a reviewer, a supervisor, a buyer, others."""

import json
from datetime import timedelta

from gateway.app.clock import SystemClock
from gateway.app.offline import found
from gateway.settings import Settings
from support.gateways import POLICY
from support.members import REVIEWERS, join, reviewers

COUNT = "SELECT COUNT(*) AS n FROM customers"
BY_COHORT = "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort ORDER BY cohort"
DRAFT = POLICY.replace(", reviewed_by: reviewer, valid_until: 2099-12-31", "")
REQUIRED = {"GATEWAY_MEMBERS": "required", "GATEWAY_FREE_PER_MINUTE": "2000"}
HERE = "/v1/datasets/shop"
LATER = (SystemClock().now() + timedelta(days=30)).date().isoformat()


def founded(gateway):
    """Have the first members made on the gateway's own store, where there are none."""
    if gateway.call("GET", "/v1/datasets", token=reviewers(gateway)[1])[0] == 200:
        return
    settings = Settings(state=gateway.state, store_url=gateway.environment.get("GATEWAY_STORE_URL"))
    for subject, organisation in REVIEWERS:
        found(settings, organisation, subject, (organisation, subject), "office@example", "the first ones")


class Cast:
    """Who acts: two persons of the provider, a reviewer, a supervisor, a buyer, and some of others."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.required = gateway.environment.get("GATEWAY_MEMBERS") == "required"
        if self.required:
            founded(gateway)
        self.rui = reviewers(gateway)[0]
        self.eve = self.member("eve", "acme", ("provider",))
        self.mei = self.member("mei", "acme", ("provider",))
        self.sun = self.member("sun", "regulator", ("supervisor",))
        self.ana = self.member("ana", "widgets", ("buyer",), "research")

    def member(self, subject, organisation, roles, purpose=None):
        """Return the token of somebody who is let in."""
        token = self.gateway.token(subject, organisation, roles, purpose)
        if self.required:
            join(self.gateway, token)
        return token

    def others(self):
        """Return the tokens of those who have no part in it, by their role."""
        return {
            "buyer": self.ana,
            "billing": self.member("bo", "exchange", ("billing",)),
            "arbiter": self.member("al", "exchange", ("arbiter",)),
            "provider of others": self.member("pat", "green", ("provider",)),
        }

    def post(self, what, token, gateway=None, **body):
        status, reply = (gateway or self.gateway).call("POST", f"{HERE}/{what}", body, token=token)
        return status, json.loads(reply)

    def get(self, what, token, gateway=None):
        status, reply = (gateway or self.gateway).call("GET", f"{HERE}{what}", token=token)
        return status, json.loads(reply)

    def proposed(self, policy):
        status, reply = self.post("versions", self.eve, policy=policy)
        assert (status, reply["state"]) == (200, "draft"), reply
        return reply["version"]

    def publish(self, version, **review):
        """Take a version the whole way."""
        assert self.post("submit", self.eve, version=version)[0] == 200
        if self.get(f"/versions/{version}", self.eve)[1]["state"] == "submitted":
            assert self.approve(version, **review)[0] == 200
        status, reply = self.post("publish", self.mei, version=version)
        assert (status, reply["state"], reply["served"]) == (200, "published", True), reply
        return reply

    def approve(self, version, valid_until=LATER):
        body = {"version": version, "decision": "approve", "findings": "seen", "valid_until": valid_until}
        return self.post("review", self.rui, **body)

    def reject(self, version):
        return self.post("review", self.rui, version=version, decision="reject", findings="whose data are they?")

    def past(self):
        """Return the states of the buyer's own queries."""
        _, reply = self.gateway.call("GET", "/v1/queries", token=self.ana)
        return [one["state"] for one in json.loads(reply)["queries"]]

    def ask(self, sql=COUNT, gateway=None, **options):
        status, reply = (gateway or self.gateway).ask(sql, token=self.ana, **options)
        return status, reply.get("code")
