"""Two real replicas on one PostgreSQL store behind a real nginx with TLS, from docker/nginx/nginx.conf.

Needs Debian's nginx and openssl (`apt-get install nginx-light openssl`): part of `make check`.
"""

import json
import shutil
import signal
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import requests
import trino
from ruamel.yaml import YAML
from support.gateways import Gateway
from support.stores import database
from support.trino_clients import ask
from trino.auth import JWTAuthentication

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
SQL = "SELECT cohort, COUNT(*) AS n FROM customers WHERE cohort <> '{}' GROUP BY cohort"


def port_of(gateway):
    return int(gateway.url.rpartition(":")[2])


@pytest.fixture
def replicas(tmp_path):
    first = Gateway(tmp_path, GATEWAY_STORE_URL=database())
    first.make_data()
    first.start()
    second = Gateway(tmp_path, **first.environment)
    second.start()
    yield first, second
    for one in (first, second):
        if one.process.poll() is None:
            one.stop()


class Proxy:
    def __init__(self, folder, ports):
        self.folder, self.port = folder, 18443
        certificate, key = folder / "tls.crt", folder / "tls.key"
        subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        made = ["-keyout", str(key), "-out", str(certificate)]
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *made]
        subprocess.run(command, check=True, capture_output=True)
        self.context = ssl.create_default_context(cafile=certificate)
        text = (DOCKER / "nginx" / "nginx.conf").read_text()
        for old, new in {
            "gateway-1:8080": f"127.0.0.1:{ports[0]}",
            "gateway-2:8080": f"127.0.0.1:{ports[1]}",
            "listen 443 ssl;": f"listen 127.0.0.1:{self.port} ssl;",
            "/run/secrets/tls_certificate": str(certificate),
            "/run/secrets/tls_key": str(key),
            "pid /run/nginx.pid;": f"pid {folder}/nginx.pid;",
            "error_log /dev/stderr warn;": f"error_log {folder}/nginx.log warn;",
        }.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        paths = "".join(
            f"  {name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "nginx.conf").write_text(text.replace("http {\n", "http {\n" + paths))
        run = ["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "nginx.log"), "-g", "daemon off;"]
        self.process = subprocess.Popen(run)

    def call(self, method, path, token, body=None, key=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"https://localhost:{self.port}{path}", data=data, method=method)
        request.add_header("Authorization", f"Bearer {token}")
        request.add_header("Content-Type", "application/json")
        if key:
            request.add_header("Idempotency-Key", key)
        try:
            with urllib.request.urlopen(request, timeout=60, context=self.context) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def stop(self):
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(timeout=20)


@pytest.fixture
def proxy(replicas, tmp_path):
    if shutil.which("nginx") is None:
        pytest.fail("nginx is not installed: apt-get install nginx-light")
    made = Proxy(tmp_path, [port_of(one) for one in replicas])
    deadline = time.monotonic() + 20
    while True:
        try:
            made.call("GET", "/v1/datasets", "x")
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    yield made
    made.stop()


@pytest.mark.long
def test_one_of_two_replicas_is_killed_and_nobody_pays_twice(replicas, proxy):
    first, second = replicas
    token = first.token()
    body = {"sql": SQL.format("x"), "epsilon": 0.1}
    assert {proxy.call("POST", "/v1/query", token, body)[0] for _ in range(4)} == {200}
    # the same question by both replicas: one draw
    answers = [one.ask(body["sql"], epsilon=0.1)[1]["rows"] for one in replicas]
    assert answers[0] == answers[1]
    before = first.spent()
    for private in ("/metrics", "/readyz", "/healthz"):
        assert proxy.call("GET", private, token)[0] == 404

    results = {}

    def ask(number):
        asked = {"sql": SQL.format(number), "epsilon": 0.1}
        for _ in range(20):  # as a client does: the same key until there is an answer
            try:
                status, found = proxy.call("POST", "/v1/query", token, asked, key=f"k{number}")
            except OSError:
                status = 0
            if status == 200:
                results[number] = json.loads(found)
                return
            time.sleep(0.3)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(24)]
    for number, thread in enumerate(threads):
        thread.start()
        if number == 12:
            second.kill()
        time.sleep(0.05)
    for thread in threads:
        thread.join(timeout=120)
    assert len(results) == 24
    assert len({found["query_id"] for found in results.values()}) == 24
    charged = [e for e in first.events("billing") if e["type"] == "gateway.query.charged"]
    assert len(charged) == 1 + 24
    assert first.spent() == pytest.approx(before * 25)
    # what the killed replica had charged is answered from the store, or was redone under its charge
    for number, found in results.items():
        again = proxy.call("POST", "/v1/query", token, {"sql": SQL.format(number), "epsilon": 0.1}, key=f"k{number}")
        assert json.loads(again[1]) == found


@pytest.mark.long
def test_trinos_client_reads_its_pages_through_the_proxy_from_either_replica(replicas, proxy):
    first, _ = replicas
    session = requests.Session()
    session.trust_env, session.verify = False, str(proxy.folder / "tls.crt")  # no other certificates of this machine
    connection = trino.dbapi.connect(
        host=f"https://localhost:{proxy.port}",
        user="ana",
        auth=JWTAuthentication(first.token()),
        http_session=session,
        catalog="gateway",
        schema="shop",
    )
    for number in range(6):
        rows, cursor = ask(connection, SQL.format(number))
        assert len(rows) == 3
        assert cursor.info_uri.startswith(f"https://localhost:{proxy.port}/")
    every, _ = ask(connection, "SELECT a.day, b.weekday FROM calendar a CROSS JOIN calendar b")
    assert len(every) == 546 * 546
    assert ask(connection, "SHOW TABLES")[0] == [["calendar"], ["customers"], ["purchases"]]
    charged = [e for e in first.events("billing") if e["type"] == "gateway.query.charged"]
    assert len(charged) == 7


def test_the_compose_file_gives_every_container_of_ours_no_more_than_it_needs():
    document = YAML(typ="safe").load((DOCKER / "compose.yaml").read_text())
    replicas = [service for name, service in document["services"].items() if name.startswith("gateway-")]
    assert len(replicas) == 2
    for service in replicas:
        assert service["read_only"] is True
        assert service["user"] == "10001:10001"
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert all(volume.endswith(":ro") for volume in service["volumes"] if not volume.startswith("state:"))
        assert not [value for value in service["environment"].values() if "://" in str(value)]
        assert "ports" not in service  # only the proxy is reached from outside
    assert document["networks"]["store"]["internal"] is True
    assert document["networks"]["data"]["internal"] is True
    sources = {volume.partition(":")[0] for s in document["services"].values() for volume in s.get("volumes", ())}
    folders = {source for source in sources if source.startswith("./")} - {"./policies"}  # the provider's own
    assert all((DOCKER / folder).exists() for folder in folders)
    dockerfile = (DOCKER / "Dockerfile").read_text()
    assert "USER 10001:10001" in dockerfile
    assert "--require-hashes" in dockerfile
