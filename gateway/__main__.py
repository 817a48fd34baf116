"""`python -m gateway` and the `gateway` command."""

import sys

from gateway.cli.failures import report
from gateway.cli.main import app
from gateway.errors import GatewayError


def main() -> None:
    """Run one command; an error that it lets through still ends in words and an exit code by its kind."""
    try:
        app(prog_name="gateway")
    except GatewayError as failure:
        sys.exit(report(failure))


if __name__ == "__main__":
    main()
