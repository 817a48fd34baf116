"""Handlers that real worker processes of the tests run: well-behaved and not."""

import json
import os
import sys
import time

from gateway.errors import GatewayError, Position


class Handler:
    def __init__(self, config):
        self.config = config

    def rest(self):
        pass

    def handle(self, method, argument):  # noqa: C901 - one case a method
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
            case "noise":
                from gateway.privacy.measurement import Noise
                from gateway.privacy.noise import add_noise, select

                chosen = select(dict.fromkeys(range(argument), 10**12), 10.0**9, 1)
                return {}, json.dumps([add_noise([0] * argument, Noise.GAUSSIAN, 1e9), list(chosen.values())]).encode()
            case "arrow":
                import pyarrow as pa

                made = pa.array(argument, pa.int64())
                return {"loaded": sys.modules.get("pandas") is not None, "made": made.to_pylist()}, b""
            case "numbers":
                import random
                import secrets
                import uuid

                import duckdb
                import numpy as np

                (of_duckdb,) = duckdb.connect().execute("SELECT random()").fetchone()
                return {
                    "random": random.random(),
                    "secrets": secrets.token_hex(8),
                    "uuid": str(uuid.uuid4()),
                    "numpy": np.random.default_rng().random(),
                    "duckdb": of_duckdb,
                }, b""
            case "write":
                with open(argument, "w") as file:
                    file.write("x")
                return {}, b""
        raise ValueError(method)


def make(config):
    return Handler(config)


def broken(_config):
    raise RuntimeError("cannot be made")
