"""An exchange where members are required: who has to be verified before anybody is let in."""

import json

from support.starting import ended

REVIEWERS = (("rae", "house"), ("roy", "court"))
EVIDENCE = [{"kind": "register", "reference": "HRB-1"}]


def found(gateway, subject, organisation):
    """Found a member on the store itself; return the exit code and what was said."""
    command = [
        "members", "found", "--state", str(gateway.state), "--subject", subject,
        "--organisation", organisation, "--legal-name", f"{organisation} Ltd", "--person-name", subject,
        "--contact", f"office@{organisation}.example", "--reason", "the first ones",
    ]  # fmt: skip
    done = ended(command)
    return done.returncode, done.stdout + done.stderr


def reviewers(gateway):
    """Return the tokens of two reviewers of two organisations."""
    return [gateway.token(subject, organisation, ("reviewer",), None) for subject, organisation in REVIEWERS]


def apply(gateway, token, kind, name="a name"):
    """Apply; return (status, document)."""
    body = {"kind": kind, "legal_name": name, "contact": "office@example", "evidence": EVIDENCE}
    status, reply = gateway.call("POST", "/v1/members", body, token=token)
    return status, json.loads(reply)


def act(gateway, token, member_id, deed, **body):
    """Verify or suspend a member; return (status, document)."""
    status, reply = gateway.call("POST", f"/v1/members/{member_id}/{deed}", body, token=token)
    return status, json.loads(reply)


def join(gateway, token):
    """Have the organisation and the person behind a token verified by both reviewers; return their ids."""
    ids = []
    for kind in ("organisation", "person"):
        status, member = apply(gateway, token, kind)
        assert status == 200, member
        ids.append(member["member_id"])
        if member["state"] != "verified":
            for reviewer in reviewers(gateway):
                status, member = act(gateway, reviewer, member["member_id"], "verify")
                assert status == 200, member
        assert member["state"] == "verified"
    return ids
