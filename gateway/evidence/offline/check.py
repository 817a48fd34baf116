"""Opens what somebody was handed (a file, a folder, an archive), finds out what it is, and says what it proves."""

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.evidence.offline import bundles, certificates, grants, logs, receipts
from gateway.evidence.offline.failure import NotVerified, parse_object
from gateway.evidence.offline.receipts import Opened, Verified
from gateway.evidence.offline.trust import Signed, Trust

MAX_FILE_BYTES = 4 * 1024**3
MAX_MEMBER_BYTES = 32 * 1024**2
"""More than the largest entry bundle: 256 entries of 65,535 bytes."""
MAX_MEMBERS = 2_000_000
TILES, CHECKPOINT = "tile/", "checkpoint"
NOTHING = Opened()


@dataclass(frozen=True, slots=True)
class Asked:
    """What to check, and against what: SQL and answer as their owner has them, an earlier checkpoint of the log."""

    path: Path
    trust: Trust
    opened: Opened = NOTHING
    since: str | None = None


def check(asked: Asked) -> list[str]:
    """Return what the file proves, a sentence a line. Raises NotVerified, also where it cannot be read."""
    try:
        if asked.path.is_dir():
            return _folder(_of_folder(asked.path), asked)
        if zipfile.is_zipfile(asked.path):
            return _folder(_of_archive(asked.path), asked)
        if asked.path.stat().st_size > MAX_FILE_BYTES:
            raise NotVerified("the file is larger than is read")
        content = asked.path.read_bytes()
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, ValueError, EOFError) as error:
        raise NotVerified(f"{asked.path.name} cannot be read: {type(error).__name__}") from None
    if content[:1] == b"{" and b'"format":"' + logs.FORMAT.encode() in content.partition(b"\n")[0]:
        return _log(logs.verify_lines(content, asked.trust, asked.since), asked)
    document = parse_object(content, asked.path.name)
    if document.get("format") == certificates.FORMAT:
        return _certificate(certificates.verify(document, asked.trust), asked)
    if grants.is_grant(document):
        return _grant(document, asked)
    return _receipt(receipts.verify(document, asked.trust, asked.opened, asked.since))


def _of_folder(folder: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            if path.stat().st_size > MAX_MEMBER_BYTES or len(found) >= MAX_MEMBERS:
                raise NotVerified(f"{path.name} is larger than is read")
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def _of_archive(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        names = [member.filename for member in members]
        if len(set(names)) != len(names) or len(names) > MAX_MEMBERS:
            raise NotVerified("a name stands twice in the archive")
        sizes = [member.file_size for member in members]
        if max(sizes, default=0) > MAX_MEMBER_BYTES or sum(sizes) > MAX_FILE_BYTES:
            raise NotVerified("a file of the archive is larger than is read")
        return {member.filename: archive.read(member) for member in members}


def _folder(files: Mapping[str, bytes], asked: Asked) -> list[str]:
    if bundles.RECEIPT in files:
        if asked.since is not None:
            raise NotVerified("a bundle does not hold the log: check a whole log against an earlier checkpoint")
        found = bundles.verify_bundle(files, asked.trust, asked.opened)
        said = _receipt(found.receipt)
        said += ["the meter event says what the leaf says"] if found.event is not None else []
        return said + ([f"the policy's text is version {found.policy_version}"] if found.policy_version else [])
    if CHECKPOINT not in files:
        raise NotVerified("there is neither a checkpoint nor a receipt")
    stray = next((name for name in files if name != CHECKPOINT and not name.startswith(TILES)), None)
    if stray is not None:
        raise NotVerified(f"{stray} is no part of a log")
    note = _text(files[CHECKPOINT])
    tiles = {name.removeprefix(TILES): content for name, content in files.items() if name != CHECKPOINT}
    return _log(logs.verify_tiles(note, tiles, asked.trust, asked.since), asked)


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise NotVerified("the checkpoint is not UTF-8") from None


def _signed(signed: Signed) -> list[str]:
    said = ["signed by the key that you named, or one that follows it"]
    if not signed.known:
        said = ["signed by the key that the file names itself: compare it with the log's, or give that with --key"]
    for witness in signed.witnesses:
        said.append(f"cosigned by {witness.name} at {datetime.fromtimestamp(witness.time_s, UTC):%Y-%m-%d %H:%M:%S}Z")
    return said + [f"further signature by {name}, whose key you did not name" for name in signed.strangers]


def _receipt(found: Verified) -> list[str]:
    leaf = found.leaf
    said = [f"the receipt verifies: query {found.query_id} is in the log {found.origin} of {found.tree_size:,} leaves"]
    said += _signed(found.signed)
    spent = f" for {leaf['amount']} {leaf.get('currency', '')}".rstrip() if "amount" in leaf else ""
    said.append(f"leaf {found.log_index}: {leaf.get('kind')} at {leaf.get('time')}{spent}")
    if found.outcome is not None:
        said.append(f"its outcome: {found.outcome.get('kind')} at {found.outcome.get('time')}")
    if found.since is not None:
        said.append(f"its log extends the earlier checkpoint of {found.since:,} leaves")
    said += [f"the {'SQL' if name == 'sql' else 'answer'} is the one committed to" for name in found.opened]
    return said


def _certificate(found: certificates.Certified, asked: Asked) -> list[str]:
    if asked.opened != NOTHING or asked.since is not None:
        raise NotVerified(
            "a certificate is of no query: SQL, answers and earlier checkpoints are for receipts and logs"
        )
    said = [
        f"the certificate verifies: {found.dataset}, policy {found.policy_version[:19]}, is in the log {found.origin}"
    ]
    said += _signed(found.signed)
    states = found.states
    said.append(f"leaf {found.log_index}: registered at {states['time']}, its holder {states['holder']}")
    said.append(f"by {states['beside']} and {states['by']}, at data version {states['data_version']}")
    said += [f"plan {one['plan']}: {one['payee']} is paid {one['share']}" for one in states["income"]]
    review = states["review"]
    if review is not None:
        said.append(f"reviewed by {review['by']}, until {review['valid_until'] or 'it is taken back'}")
    if found.reviewed is not None:
        approved = f"approved until {found.reviewed['valid_until']}" if found.reviewed["approved"] else "rejected"
        said.append(f"its latest review: {approved}, by {found.reviewed['by']} at {found.reviewed['time']}")
    if found.ended is not None:
        what = "withdrawn" if found.ended["kind"] == "withdrawn" else "replaced by another version"
        said.append(f"no longer served: {what} at {found.ended['time']}")
    return said


def _grant(document: Mapping[str, Any], asked: Asked) -> list[str]:
    if asked.opened != NOTHING or asked.since is not None or asked.trust.quorum:
        raise NotVerified("a grant is checked with its provider's key alone")
    found, terms = grants.verify(document, asked.trust.keys), document["terms"]
    said = [
        f"the grant verifies: {terms['grant']} on {terms['dataset']} by {terms['provider']} to {terms['organisation']}"
    ]
    whose = "that you named" if asked.trust.keys else "that the file names itself: compare it, or give it with --key"
    said.append(f"signed by the key {found.public.hex()} {whose}")
    said.append(f"terms {found.digest}")
    said += [f"{name}: {_written(terms[name])}" for name in grants.MEMBERS if terms[name] not in (None, [])]
    return [*said, f"what the gateway says of it: {document.get('state')}; whether it was revoked its log tells"]


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _log(found: logs.Whole, asked: Asked) -> list[str]:
    if asked.opened != NOTHING:
        raise NotVerified("a log holds no salts: SQL and answers are checked with a receipt")
    said = [f"the log verifies: {found.origin}, {found.size:,} leaves", *_signed(found.signed)]
    said.append(", ".join(f"{count:,} {kind}" for kind, count in sorted(found.kinds.items())) or "no leaves")
    if found.since is not None:
        said.append(f"it extends the earlier checkpoint of {found.since:,} leaves")
    return said
