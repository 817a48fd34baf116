"""Registration certificates over HTTP, checked offline: what they state, what came after, and every change of one."""

import copy
import hashlib
import json
import zipfile

import pytest
from support.gateways import Gateway
from support.policy_life import DRAFT, REQUIRED, Cast
from support.starting import ended

from gateway.evidence.offline import certificates, receipts
from gateway.evidence.offline.check import Asked, check
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.trust import Trust

SHARED = DRAFT.replace("per_epsilon: 20.00", "per_epsilon: 20.00, income_split: {acme: 0.9, exchange: 0.1}")


@pytest.fixture(scope="module")
def registered(tmp_path_factory):
    """Return a gateway with two versions published one after the other, and the certificates of both."""
    gateway = Gateway(tmp_path_factory.mktemp("gateway"), SHARED, **REQUIRED)
    gateway.make_data()
    gateway.start()
    cast = Cast(gateway)
    first = cast.proposed(SHARED)
    cast.publish(first)
    alone = cast.get("/certificate", cast.ana)[1]
    second = cast.proposed(SHARED.replace("title: A shop", "title: The shop"))
    cast.publish(second)
    yield cast, first, second, alone
    assert gateway.stop() == 0


def test_it_states_who_holds_what_in_which_version(registered, tmp_path):
    cast, first, second, alone = registered
    found = certificates.verify(alone, Trust((alone["public_key"],)))
    assert (found.dataset, found.policy_version, found.ended) == ("shop", first, None)
    states = found.states
    assert [(one["plan"], one["payee"], one["share"]) for one in states["income"]] == [
        ("standard", "acme", "0.9"),
        ("standard", "exchange", "0.1"),
    ]
    assert (states["holder"], states["beside"], states["by"]) == ("acme", "acme/eve", "acme/mei")
    assert states["review"]["by"] == "house/rae"
    assert found.reviewed["approved"] is True
    assert states["data_version"]
    replaced = certificates.verify(cast.get(f"/certificate?version={first}", cast.sun)[1])
    assert replaced.ended["policy_version"] == second
    path = tmp_path / "certificate.json"
    path.write_text(json.dumps(alone))
    said = "\n".join(check(Asked(path, Trust((alone["public_key"],)))))
    assert "plan standard: exchange is paid 0.1" in said
    assert ended(["evidence", "verify", str(path), "--key", alone["public_key"]]).returncode == 0


def test_who_may_have_one(registered):
    cast, *_ = registered
    for who in (cast.ana, cast.eve, cast.rui, cast.sun, cast.others()["billing"], cast.others()["arbiter"]):
        assert cast.get("/certificate", who)[0] == 200
    for who in (cast.member("eve", "elsewhere", ("buyer",)), cast.others()["provider of others"]):
        assert cast.get("/certificate", who)[1]["code"] == "unknown_dataset"
    status, reply = cast.get("/certificate?version=sha256:" + "0" * 64, cast.eve)
    assert (status, reply["code"]) == (404, "not_found")


def test_a_bundle_has_the_text_of_the_version_that_was_served_and_not_of_the_file(registered, tmp_path):
    cast, _, second, _ = registered
    gateway = cast.gateway
    status, answer = gateway.ask("SELECT COUNT(*) AS n FROM customers", token=cast.ana)
    assert status == 200
    out = tmp_path / "case.zip"
    where = ("--state", str(gateway.state), "--policies", str(gateway.policies), "--out", str(out))
    assert ended(["evidence", "export", answer["query_id"], *where]).returncode == 0
    with zipfile.ZipFile(out) as bundle:
        text = bundle.read("policy.json")
    assert f"sha256:{hashlib.sha256(text).hexdigest()}" == second
    assert f"the policy's text is version {second}" in check(Asked(out, Trust()))


def places(value, path=()):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))
    else:
        yield path


def test_every_change_of_any_value_is_detected(registered):
    cast, first, _, alone = registered
    whole = cast.get(f"/certificate?version={first}", cast.ana)[1]
    trust = Trust((alone["public_key"],))
    for document in (alone, whole):
        certificates.verify(document, trust)
        for place in places(document):
            changed = copy.deepcopy(document)
            node = changed
            for part in place[:-1]:
                node = node[part]
            value = node[place[-1]]
            node[place[-1]] = value + 1 if type(value) is int else [] if value is None else [value, "x"]
            with pytest.raises(NotVerified):
                certificates.verify(changed, trust)
        for name in document:
            with pytest.raises(NotVerified):
                certificates.verify({key: value for key, value in document.items() if key != name}, trust)
        with pytest.raises(NotVerified):
            certificates.verify({**document, "more": 1}, trust)


def test_a_text_that_is_another_is_detected(registered):
    *_, alone = registered
    trust = Trust((alone["public_key"],))
    for name in ("dataset", "policy_version", "key_name", "public_key", "checkpoint", "leaf"):
        with pytest.raises(NotVerified):
            certificates.verify({**alone, name: alone[name].replace("e", "f").replace("o", "0")}, trust)
    for name, value in (("holder", "others"), ("data_version", "another"), ("manifest", "sha256:0"), ("review", None)):
        changed = {**alone, "states": {**alone["states"], name: value}}
        with pytest.raises(NotVerified, match="states what its leaf does not say"):
            certificates.verify(changed, trust)


def test_a_leaf_of_another_kind_or_place_is_no_part_of_it(registered):
    cast, first, _, alone = registered
    whole = cast.get(f"/certificate?version={first}", cast.ana)[1]
    trust = Trust((alone["public_key"],))
    own = {name: whole[name] for name in ("leaf", "log_index", "inclusion_proof")}
    for changed in ({"reviewed": whole["ended"]}, {"ended": whole["reviewed"]}, {"ended": own}):
        with pytest.raises(NotVerified):
            certificates.verify({**whole, **changed}, trust)
    with pytest.raises(NotVerified):
        certificates.verify({**whole, **whole["reviewed"]}, trust)
    with pytest.raises(NotVerified):
        certificates.verify(whole, Trust(("00" * 32,)))
    with pytest.raises(NotVerified):
        receipts.verify(whole, trust)
