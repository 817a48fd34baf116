"""`gateway grant key`: make the key that a provider signs grants with, and have two persons stand behind it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.cli.ask import DEFAULT_URL, Json, Token, Url, client, printed
from gateway.cli.failures import reporting
from gateway.cli.show import console, table_of
from gateway.client.wire import Reply
from gateway.errors import GatewayError
from gateway.evidence.files import write_new
from gateway.evidence.offline.grants import key_id, signature_text, signed_bytes
from gateway.evidence.signing import public_bytes

app = typer.Typer(no_args_is_help=True, help="The keys that sign grants: made offline, confirmed by two persons.")

File = Annotated[Path, typer.Argument(help="The private key file.")]
Id = Annotated[str, typer.Argument(help="The key's id.")]


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key that signs terms."""

    private: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        return public_bytes(self.private)

    @property
    def key_id(self) -> str:
        return key_id(self.public)

    def sign(self, terms: dict[str, object]) -> str:
        """Return the signature of terms as documents hold it."""
        return signature_text(self.private.sign(signed_bytes(terms)))


def read(path: Path) -> Signer:
    """Return the key of a file that its owner alone can read. Raises GatewayError `settings_invalid`."""
    try:
        if path.stat().st_mode & 0o077:
            detail = f"{path.name} can be read by others."
            raise GatewayError("settings_invalid", detail, f"chmod 600 {path.name}")
        return Signer(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text(encoding="ascii").strip())))
    except (OSError, ValueError):
        detail = f"{path.name} is no key that signs grants."
        raise GatewayError("settings_invalid", detail, "Make one: gateway grant key make FILE.") from None


@app.command()
def make(file: File) -> None:
    """Make a private key file, for its owner alone; print the public key. Nothing is sent anywhere."""
    with reporting():
        made = Ed25519PrivateKey.generate()
        secret = made.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()).hex()
        write_new(file, f"{secret}\n".encode())
        signer = Signer(made)
        typer.echo(f"key {signer.key_id}\npublic key {signer.public.hex()}")


@app.command()
def register(file: File, token: Token, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Register the public part of a key file; another person of your organisation has to confirm it."""
    with reporting(as_json=as_json):
        body = {"public_key": read(file).public.hex()}
        _told(client(url, token).post("/v1/keys", body), as_json=as_json)


@app.command()
def confirm(named: Id, token: Token, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Confirm a key that another person registered: compare its id with what `key make` printed there."""
    with reporting(as_json=as_json):
        _told(client(url, token).post(f"{_path(named)}/confirm", {}), as_json=as_json)


@app.command()
def revoke(
    named: Id,
    token: Token,
    organisation: Annotated[str | None, typer.Option(help="Whose key, for supervisors.")] = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Have a key sign no new grants; those that it signed stand until they are revoked themselves."""
    with reporting(as_json=as_json):
        body = {} if organisation is None else {"organisation": organisation}
        _told(client(url, token).post(f"{_path(named)}/revoke", body), as_json=as_json)


@app.command("list")
def listed(token: Token, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """List the keys of your organisation, or to a supervisor all."""
    with reporting(as_json=as_json):
        reply = client(url, token).get("/v1/keys")
        if not printed(reply, as_json=as_json):
            rows = [
                (k["key_id"], k["organisation"], k["state"], k["registered_by"], k["confirmed_by"] or "-")
                for k in reply.json()["keys"]
            ]
            console().print(table_of(("key", "organisation", "state", "registered by", "confirmed by"), rows))


def _path(named: str) -> str:
    if not (named.isascii() and named.isalnum()):
        raise GatewayError("bad_request", "That is no key's id.", "gateway grant key list shows them.")
    return f"/v1/keys/{named}"


def _told(reply: Reply, *, as_json: bool) -> None:
    if not printed(reply, as_json=as_json):
        key = reply.json()
        typer.echo(f"{key['state']}: {key['key_id']} of {key['organisation']}")
