"""Scanners of YAML that give up at brackets too deep as they open: to read thousands takes time by their square."""

from typing import Any

from ruamel.yaml.scanner import RoundTripScanner, Scanner

MAX_DEPTH = 32


class ShallowScanner(Scanner):
    """Raises RecursionError beyond MAX_DEPTH open brackets."""

    def fetch_flow_collection_start(self, TokenClass: Any, to_push: str) -> None:  # noqa: N803 - the library's name
        if len(self.flow_context) >= MAX_DEPTH:
            raise RecursionError
        super().fetch_flow_collection_start(TokenClass, to_push)


class ShallowRoundTripScanner(ShallowScanner, RoundTripScanner):
    """The same, of a document whose places are known."""
