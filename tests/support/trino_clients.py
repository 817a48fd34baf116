"""Trino's own clients at a gateway of the tests, and a proxy that cuts off the first reply."""

import socket
import threading
from urllib.parse import urlsplit

import sqlalchemy
import trino
from trino.auth import JWTAuthentication


def connect(gateway, url=None, token=None, **options):
    """Return a connection of Trino's client for Python to dataset shop."""
    address = urlsplit(url or gateway.url)
    return trino.dbapi.connect(
        host=address.hostname,
        port=address.port,
        http_scheme="http",
        user="ana",
        auth=JWTAuthentication(token or gateway.token()),
        allow_insecure_auth=True,
        **{"catalog": "gateway", "schema": "shop", **options},
    )


def ask(connection, sql, parameters=None):
    """Return the rows of a statement, and its cursor."""
    cursor = connection.cursor()
    cursor.execute(sql, parameters)
    return cursor.fetchall(), cursor


def engine(gateway, **options):
    """Return SQLAlchemy's engine with Trino's dialect, on dataset shop."""
    address = urlsplit(gateway.url)
    return sqlalchemy.create_engine(
        f"trino://ana@{address.hostname}:{address.port}/gateway/shop",
        connect_args={
            "auth": JWTAuthentication(gateway.token()),
            "http_scheme": "http",
            "allow_insecure_auth": True,
            **options,
        },
    )


class CuttingProxy:
    """Hands requests on, one a connection, and closes the first without the reply that came for it."""

    def __init__(self, url):
        target = urlsplit(url)
        self._target = (target.hostname, target.port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.requests = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self):
        self._listening.close()
        self._thread.join(timeout=5)

    def _serve(self):
        while True:
            try:
                asking, _ = self._listening.accept()
            except OSError:
                return
            with asking:
                request = _whole(asking)
                self.requests.append(request.split(b"\r\n", 1)[0].decode())
                head, _, body = request.partition(b"\r\n\r\n")
                lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
                with socket.create_connection(self._target) as server:
                    server.sendall(b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body)
                    reply = b"".join(iter(lambda server=server: server.recv(65536), b""))
                if len(self.requests) > 1:
                    asking.sendall(reply)


def _whole(connection):
    found = b""
    while b"\r\n\r\n" not in found:
        found += connection.recv(65536)
    head, _, body = found.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    due = int(lengths[0].split(b":")[1]) if lengths else 0
    while len(body) < due:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body
