"""Whom the verifier believes: the log's keys as it knows them, and the witnesses it has been told of."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.keychain import Chain
from gateway.evidence.offline.notes import (
    LOG_TYPE,
    WITNESS_TYPE,
    Checkpoint,
    Cosignature,
    Key,
    cosigned,
    read_key,
    signers,
    strangers,
)


@dataclass(frozen=True, slots=True)
class Trust:
    """What the one who checks brings along, as words (vkeys, or a log's key as 64 hex digits).

    Without a log's key the one that a file names itself is used: that shows that its parts agree, not who signed.
    `quorum`: how many of the witnesses must have signed.
    """

    keys: tuple[str, ...] = ()
    witnesses: tuple[str, ...] = ()
    quorum: int = 0


@dataclass(frozen=True, slots=True)
class Signed:
    """Who stands behind a checkpoint. `known`: the log's key came from the one who checks, not from the file."""

    checkpoint: Checkpoint
    keys: tuple[Key, ...]
    known: bool
    witnesses: tuple[Cosignature, ...]
    strangers: tuple[str, ...]


def log_keys(trust: Trust, origin: str, own: str | None) -> tuple[Key, ...]:
    """Return the log's keys to begin with. Raises NotVerified where neither the checker nor the file names one."""
    words = trust.keys or ((own,) if own is not None else ())
    if not words:
        raise NotVerified("no key of the log is known: give it with --key")
    return tuple(read_key(word, origin, LOG_TYPE) for word in words)


def judge(checkpoint: Checkpoint, chain: Chain, trust: Trust, listed: Sequence[str] | None) -> Signed:
    """Return who signed a checkpoint.

    `listed` are the witnesses that the file names: then every line has to be by one of them, by one that the checker
    knows, or by the log, so that no line can be changed unseen. None (files of other makers): further lines are told.
    Raises NotVerified.
    """
    known = tuple(read_key(word, "", WITNESS_TYPE) for word in trust.witnesses)
    named = tuple(read_key(word, "", WITNESS_TYPE) for word in listed or ())
    log = signers(checkpoint, chain.trusted)
    if strangers(checkpoint, chain.others) != tuple(line.name for line in checkpoint.lines):
        signers(checkpoint, chain.others)  # a key of the log that is not trusted: its line holds as well
    trusted = cosigned(checkpoint, known)
    cosigned(checkpoint, named)
    others = strangers(checkpoint, (*chain.trusted, *chain.others, *known, *named))
    if listed is not None and others:
        raise NotVerified(f"the checkpoint has a signature line by {others[0]}, whose key is not known")
    if len(trusted) < trust.quorum:
        raise NotVerified(f"{len(trusted)} of the known witnesses signed the checkpoint; {trust.quorum} have to")
    return Signed(checkpoint, log, bool(trust.keys), trusted, others)
