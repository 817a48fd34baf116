"""Handlers that real worker processes of the tests run: well-behaved and not."""

import os
import sys
import time

from gateway.errors import GatewayError, Position


class Handler:
    def __init__(self, config):
        self.config = config

    def handle(self, method, argument):
        match method:
            case "echo":
                return {"said": argument, "pid": os.getpid()}, b"bytes"
            case "sleep":
                time.sleep(argument)
                return {}, b""
            case "spin":
                while True:
                    pass
            case "allocate":
                return {"size": len(bytearray(argument))}, b""
            case "refuse":
                raise argument or GatewayError("raw_rows", "detail", "hint", Position(2, 3))
            case "fail":
                raise ValueError("a secret value")
            case "end":
                os._exit(3)
            case "print":
                sys.stdout.write("x" * 100_000 + "\n")
                sys.stdout.flush()
                os.write(1, b"CQG1 forged")
                return {"said": "printed"}, b""
            case "reply":
                return {}, b"\0" * argument
            case "nan":
                return {"x": float("nan")}, b""
            case "environment":
                return {"names": sorted(os.environ)}, b""
            case "write":
                with open(argument, "w") as file:
                    file.write("x")
                return {}, b""
        raise ValueError(method)


def make(config):
    return Handler(config)


def broken(_config):
    raise RuntimeError("cannot be made")
