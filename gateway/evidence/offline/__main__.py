"""`python -m gateway.evidence.offline FILE`: the verifier without the gateway's command and its libraries."""

import argparse
import sys
from pathlib import Path

from gateway.evidence.offline.check import Asked, check
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.receipts import Opened
from gateway.evidence.offline.trust import Trust


def main(arguments: list[str]) -> int:
    """Print what a file proves; return 0, or 1 where it does not hold."""
    parser = argparse.ArgumentParser(prog="python -m gateway.evidence.offline", description=__doc__)
    parser.add_argument(
        "file", type=Path, help="a receipt, a bundle, a grant, a log (JSON lines, a folder or zip of tiles)"
    )
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        help="the key as you know it: the log's, or of a grant the provider's",
    )
    parser.add_argument("--witness", action="append", default=[], help="a witness's key")
    parser.add_argument("--quorum", type=int, help="how many of the witnesses must have signed (default: one, if any)")
    parser.add_argument("--since", type=Path, help="a checkpoint that you kept")
    parser.add_argument("--sql", type=Path, help="the SQL that was asked")
    parser.add_argument("--answer", type=Path, help="the answer as it came")
    given = parser.parse_args(arguments)
    quorum = given.quorum if given.quorum is not None else min(len(given.witness), 1)
    try:
        asked = Asked(
            given.file,
            Trust(tuple(given.key), tuple(given.witness), quorum),
            Opened(*(path and path.read_bytes() for path in (given.sql, given.answer))),
            given.since and given.since.read_text(encoding="utf-8"),
        )
        print("\n".join(check(asked)))  # noqa: T201 - the command's answer
    except (NotVerified, OSError, UnicodeError) as failure:
        print(f"NOT VERIFIED: {failure}", file=sys.stderr)  # noqa: T201 - the command's answer
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
