"""Tokens: what is accepted from each kind of issuer, and the many ways in which nothing else is."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gateway.errors import GatewayError
from gateway.identity.development import DevelopmentKey
from gateway.identity.keys import MAX_AGE_S, KeySource, from_file, parse_jwks
from gateway.identity.tokens import KEPT_S, Lifetimes, Tokens
from gateway.ledger.standing import Standing
from gateway.ports import FixedClock
from gateway.request import Caller

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
AT = int(NOW.timestamp())
CLOCK = FixedClock(NOW)
RSA = rsa.generate_private_key(65537, 2048)
PRIVATE = {
    "RS256": RSA,
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
CLAIMS = {"iss": "https://issuer.example", "aud": "gw", "sub": "ana", "org": "widgets", "roles": ["buyer", "regulator", "king"],
          "iat": AT - 10, "exp": AT + 600, "purpose": "research", "jurisdiction": "CN", "jti": "t1"}  # fmt: skip


def jwk(algorithm, **more):
    kinds = {
        "RS256": jwt.algorithms.RSAAlgorithm,
        "ES256": jwt.algorithms.ECAlgorithm,
        "EdDSA": jwt.algorithms.OKPAlgorithm,
    }
    entry = json.loads(kinds[algorithm].to_jwk(PRIVATE[algorithm].public_key()))
    return {**entry, "kid": f"key-{algorithm}", "use": "sig", "alg": algorithm, **more}


JWKS = json.dumps({"keys": [jwk(a) for a in PRIVATE]})


@pytest.fixture
def outside(tmp_path):
    path = tmp_path / "jwks.json"
    path.write_text(JWKS)
    return Tokens(CLOCK, "gw", development=None, issuer=CLAIMS["iss"], keys=from_file(path), lifetimes=Lifetimes(3600))


def signed(algorithm="RS256", header=None, key=None, **claims):
    content = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not ...}
    return jwt.encode(
        content, key or PRIVATE[algorithm], algorithm, headers={"kid": f"key-{algorithm}", **(header or {})}
    )


async def refused(tokens, token):
    with pytest.raises(GatewayError) as caught:
        await tokens.identify(token)
    assert caught.value.code == "unauthenticated"
    assert "ana" not in str(caught.value)


@pytest.mark.parametrize("algorithm", PRIVATE)
async def test_each_algorithm_is_accepted(outside, algorithm):
    caller = await outside.identify(signed(algorithm))
    assert (caller.subject, caller.organisation, caller.purpose) == ("ana", "widgets", "research")
    assert caller.roles == {"buyer", "supervisor"}
    assert caller.token_id == "t1"


BAD_CLAIMS = {
    "no iss": {"iss": ...}, "other iss": {"iss": "x"}, "no aud": {"aud": ...}, "other aud": {"aud": "x"},
    "aud list": {"aud": ["gw", "x"]}, "no sub": {"sub": ...}, "no exp": {"exp": ...}, "no iat": {"iat": ...},
    "no org": {"org": ...}, "no roles": {"roles": ...}, "roles text": {"roles": "buyer"}, "roles numbers": {"roles": [1]},
    "expired": {"exp": AT - 31, "iat": AT - 100}, "year 9999": {"exp": 253_402_300_799}, "too long": {"exp": AT + 3700},
    "exp before iat": {"exp": AT - 20, "iat": AT}, "iat in the future": {"iat": AT + 60, "exp": AT + 90},
    "nbf in the future": {"nbf": AT + 60}, "nbf text": {"nbf": "soon"}, "exp true": {"exp": True}, "exp text": {"exp": "9"},
    "exp infinite": {"exp": float("inf")}, "sub empty": {"sub": ""}, "sub number": {"sub": 5}, "sub long": {"sub": "x" * 200},
    "sub control": {"sub": "a\nb"}, "org control": {"org": "a\x00"}, "purpose number": {"purpose": 5},
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_CLAIMS)
async def test_claims_that_do_not_hold(outside, name):
    await refused(outside, signed(**BAD_CLAIMS[name]))


async def test_a_little_skew_is_forgiven(outside):
    assert await outside.identify(signed(exp=AT - 20, iat=AT - 100))
    assert await outside.identify(signed(iat=AT + 20, nbf=AT + 20))


@pytest.mark.parametrize(
    "header", [{"jku": "https://evil.example"}, {"x5u": "x"}, {"jwk": {}}, {"crit": ["exp"]}, {"typ": "dpop"}, {"cty": "JWT"},
               {"kid": "other"}, {"kid": "key-ES256"}]
)  # fmt: skip
async def test_headers_that_do_not_hold(outside, header):
    await refused(outside, signed(header=header))


async def test_forgeries(outside):
    good = signed()
    head, claims, signature = good.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","kid":"key-RS256"}').decode().rstrip("=")
    public = jwk("RS256")["n"].encode()
    confused = jwt.api_jws.encode(json.dumps(CLAIMS).encode(), public * 2, "HS256", headers={"kid": "key-RS256"})
    other = rsa.generate_private_key(65537, 2048)
    twice = base64.urlsafe_b64encode(b'{"alg":"RS256","alg":"RS256","kid":"key-RS256"}').decode().rstrip("=")
    listed = base64.urlsafe_b64encode(b"[1]").decode().rstrip("=")
    last = signature[-1]
    stray = signature[:-1] + (
        "B" if last == "A" else chr(ord(last) + 1) if last.isalnum() and last not in "Zz9" else "A"
    )
    for token in (
        "", "a.b", f"{none}.{claims}.", f"{none}.{claims}.{signature}", confused, signed(key=other), good + "=", f" {good}",
        f"{head}.{claims}.{signature}x", f"{head}.{claims}.{stray}", f"{twice}.{claims}.{signature}", f"{listed}.{claims}.{signature}",
        f"{head}.{listed}.{signature}", good + "." + signature, "x" * 9000, f"{head}.{claims}.{signature}\n",
    ):  # fmt: skip
        await refused(outside, token)


async def test_what_is_signed_and_still_does_not_hold(outside):
    """Signatures are good here: nothing but the gateway's own reading stands in the way."""
    assert await outside.identify(signed(padding="x" * 100))
    await refused(outside, signed(padding="x" * 9000))
    whole = json.dumps(CLAIMS)
    for text in (whole, whole[:-1] + ', "sub": "bob"}', "[1]", '{"sub": NaN}'):
        token = jwt.api_jws.encode(text.encode(), RSA, "RS256", headers={"kid": "key-RS256"})
        if text is whole:
            assert await outside.identify(token)
        else:
            await refused(outside, token)


def test_a_jwks_gives_only_keys_that_are_understood():
    weak = rsa.generate_private_key(65537, 1024).public_key()  # noqa: S505 - to be refused
    short = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(weak)), "kid": "weak"}
    entries = [
        jwk("RS256", use="enc"), jwk("RS256", key_ops=["sign"]), jwk("RS256", alg="ES256"), jwk("ES256", crv="P-384"),
        {"kty": "oct", "k": "AAAA", "kid": "s"}, {**jwk("RS256"), "kid": None}, "text", short, {**jwk("RS256"), "n": "!"},
        {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA)), "kid": "private", "key_ops": ["verify"]}, jwk("EdDSA", key_ops=["verify"]),
    ]  # fmt: skip
    assert list(parse_jwks(json.dumps({"keys": entries}))) == [("key-EdDSA", "EdDSA")]
    for text in ("{}", "[]", "{", '{"keys": 5}'):
        with pytest.raises(ValueError, match=r"."):
            parse_jwks(text)


async def test_keys_stay_while_the_source_fails():
    texts = [JWKS]

    def read():
        if not texts:
            raise OSError
        return texts.pop()

    source = KeySource(read)
    assert await source.key("key-RS256", "RS256") is not None
    with pytest.raises(GatewayError):
        await source.key("new", "RS256")
    assert await source.key("key-RS256", "RS256") is not None


async def test_a_withdrawn_key_is_not_trusted_for_ever():
    texts = [JWKS, json.dumps({"keys": [jwk("ES256")]})]
    source = KeySource(lambda: texts.pop(0))
    assert await source.key("key-RS256", "RS256") is not None
    assert len(texts) == 1, "keys that are known and fresh are not read again"
    source._fresh_at -= MAX_AGE_S + 1
    source._read_at -= MAX_AGE_S + 1
    with pytest.raises(GatewayError):
        await source.key("key-RS256", "RS256")
    assert await source.key("key-ES256", "ES256") is not None


class MovedClock:
    """A clock that the test moves."""

    def __init__(self):
        self.at = NOW

    def now(self):
        return self.at


@pytest.fixture
def decoded(monkeypatch):
    """The tokens whose signatures were checked."""
    seen, real = [], jwt.decode
    monkeypatch.setattr(jwt, "decode", lambda token, *rest, **known: seen.append(token) or real(token, *rest, **known))
    return seen


async def test_a_token_is_checked_once_and_what_changes_under_it_each_time(decoded):
    clock, taken_back = MovedClock(), set()

    async def stands(_issuer, caller, _issued_at):
        return Standing.REVOKED if caller.token_id in taken_back else Standing.UNVERIFIED

    tokens = Tokens(clock, "gw", development=None, issuer=CLAIMS["iss"], secret="s" * 32, stands=stands)

    def made(**claims):
        return signed("HS256", key="s" * 32, **claims)

    token, other = made(), made(jti="t2")
    for _ in range(3):
        assert (await tokens.identify(token)).token_id == "t1"
        assert (await tokens.identify(other)).token_id == "t2"
    assert decoded == [token, other]
    forged = token[:-4] + ("AAAA" if not token.endswith("AAAA") else "BBBB")
    await refused(tokens, forged)
    taken_back.add("t1")
    await refused(tokens, token)
    taken_back.clear()
    assert await tokens.identify(token)
    clock.at += timedelta(seconds=KEPT_S + 1)
    assert await tokens.identify(token)
    assert decoded.count(token) == 2, "for a bounded time"
    clock.at = NOW + timedelta(seconds=600 + 31)
    await refused(tokens, token)


async def test_a_token_that_was_checked_with_a_withdrawn_key_is_not_known(monkeypatch, decoded):
    now = [0.0]
    monkeypatch.setattr("gateway.identity.keys.time.monotonic", lambda: now[0])
    texts = [JWKS, JWKS, '{"keys": []}']
    tokens = Tokens(CLOCK, "gw", development=None, issuer=CLAIMS["iss"], keys=KeySource(lambda: texts.pop(0)))
    token = signed()
    for _ in range(2):
        assert await tokens.identify(token)
    now[0] = MAX_AGE_S + 1
    assert await tokens.identify(token)
    assert len(decoded) == 2, "with the key as it was read again"
    now[0] = 2 * MAX_AGE_S + 2
    await refused(tokens, token)


async def test_no_more_tokens_are_kept_than_a_bound(monkeypatch, decoded):
    monkeypatch.setattr("gateway.identity.tokens.KEPT_TOKENS", 2)
    tokens = Tokens(CLOCK, "gw", development=None, issuer=CLAIMS["iss"], secret="s" * 32)
    first, *others = [signed("HS256", key="s" * 32, jti=f"t{n}") for n in range(3)]
    for token in (first, *others, first):
        await tokens.identify(token)
    assert decoded.count(first) == 2


async def test_unknown_keys_do_not_make_the_source_be_read_at_once_again():
    reads = []
    source = KeySource(lambda: reads.append(1) or JWKS)
    for number in range(20):
        with pytest.raises(GatewayError):
            await source.key(f"new-{number}", "RS256")
    assert len(reads) == 1


async def test_the_embedded_key_and_an_outside_secret():
    key = DevelopmentKey("ab" * 32)
    embedded = Tokens(CLOCK, "gw", development=key)
    token = key.issue(Caller("ana", "widgets", frozenset({"buyer"})), 600, NOW, "gw")
    assert (await embedded.identify(token)).subject == "ana"
    await refused(
        embedded, replace(key, secret="cd" * 32).issue(Caller("ana", "widgets", frozenset({"buyer"})), 600, NOW, "gw")
    )
    await refused(embedded, signed())
    claims = {**CLAIMS, "iss": "embedded"}
    assert await embedded.identify(jwt.encode(claims, key.secret, "HS256", headers={"kid": key.kid}))
    await refused(embedded, jwt.encode(claims, key.secret, "HS256", headers={"kid": "other"}))
    await refused(embedded, jwt.encode(claims, key.secret, "HS256"))
    shared = Tokens(CLOCK, "gw", development=None, issuer=CLAIMS["iss"], secret="s" * 32)
    assert await shared.identify(jwt.encode(CLAIMS, "s" * 32, "HS256"))
    await refused(shared, token)
    await refused(shared, signed("ES256"))


def test_the_development_key_is_kept_and_private(tmp_path):
    class Randomness:
        def token_bytes(self, count):
            return b"\x07" * count

    first = DevelopmentKey.open(tmp_path, Randomness())
    assert DevelopmentKey.open(tmp_path, Randomness()) == first
    assert (tmp_path / "keys" / "development.key").stat().st_mode & 0o777 == 0o600
