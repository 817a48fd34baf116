"""A real gateway watched by its operator: figures, traces to a collector, readiness, log lines; no word of a query."""

import json
import signal
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families
from support.gateways import POLICY, Gateway, eventually

from gateway.stages import Stage

SQL = "SELECT cohort, COUNT(*) AS n FROM customers WHERE cohort <> '1997-02' GROUP BY cohort"


class Collector:
    """An OTLP collector: keeps the spans that it is sent."""

    def __init__(self):
        spans = self.spans = []
        self.raw = raw = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    import gzip

                    body = gzip.decompress(body)
                raw.append(body)
                request = ExportTraceServiceRequest.FromString(body)
                spans.extend(s for r in request.resource_spans for c in r.scope_spans for s in c.spans)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_args):
                return

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/traces"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
def collector():
    made = Collector()
    yield made
    made.close()


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def gateway(tmp_path, collector, port):
    made = Gateway(
        tmp_path,
        GATEWAY_TRACES_URL=collector.url,
        GATEWAY_METRICS_PORT=str(port),
        GATEWAY_LOG_FORMAT="json",
    )
    made.make_data()
    made.start()
    yield made
    made.stop()


def figures(text):
    families = text_string_to_metric_families(text.decode())
    return {(s.name, *sorted(s.labels.items())): s.value for f in families for s in f.samples}


def test_an_operator_sees_every_stage_and_nothing_that_was_asked(gateway, collector, port):
    status, answer = gateway.ask(SQL)
    assert status == 200
    assert gateway.ask("SELECT * FROM customers")[0] == 400
    provider = gateway.token("olaf", "acme", ("provider",), None)
    status, text = gateway.call("GET", "/metrics", token=provider)
    assert status == 200
    found = figures(text)
    assert all(found["gateway_stage_seconds_count", ("stage", stage.value)] >= 1 for stage in Stage)
    assert found["gateway_queries_total", ("outcome", "answered")] == 1
    assert found["gateway_queries_total", ("outcome", "raw_rows")] == 1
    assert found["gateway_workers_alive", ("role", "engine")] >= 2
    assert found["gateway_engine_wall_seconds_total",] > 0
    assert b"1997-02" not in text
    assert b"cohort" not in text
    main, gateway.url = gateway.url, f"http://127.0.0.1:{port}"
    try:  # the operator's own address asks for no token and knows nothing else
        assert figures(gateway.call("GET", "/metrics", token="none")[1])[
            "gateway_queries_total", ("outcome", "answered")
        ]
        assert gateway.call("GET", "/readyz", token="none")[0] == 200
        assert gateway.call("GET", "/v1/datasets", token=provider)[0] == 404
    finally:
        gateway.url = main
    assert gateway.call("GET", "/metrics")[0] == 403  # a buyer
    assert gateway.call("GET", "/metrics", token="none")[0] == 401
    gateway.stop()  # what is held is sent
    names = [span.name for span in collector.spans]
    assert {stage.value for stage in Stage} <= set(names)
    question = next(
        s for s in collector.spans if s.name == "query" and s.attributes[0].value.string_value == answer["query_id"]
    )
    assert {s.name for s in collector.spans if s.parent_span_id == question.span_id} >= {"charge", "execute", "record"}
    assert all(b"1997-02" not in raw and b"cohort" not in raw and b"customers" not in raw for raw in collector.raw)


def test_figures_of_several_providers_are_the_supervisors_alone(gateway):
    eve, pat, sun = (
        gateway.token(subject, organisation, (role,), None)
        for subject, organisation, role in (
            ("eve", "acme", "provider"), ("pat", "green", "provider"), ("sun", "regulator", "supervisor"),
        )
    )  # fmt: skip
    assert [gateway.call("GET", "/metrics", token=token)[0] for token in (eve, pat, sun)] == [200, 403, 200]
    second = POLICY.replace("dataset: shop", "dataset: garden").replace("acme", "green").replace("shop.d", "garden.d")
    (gateway.policies / "garden.yaml").write_text(second)
    gateway.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: gateway.call("GET", "/metrics", token=eve)[0] == 403)
    assert [gateway.call("GET", "/metrics", token=token)[0] for token in (pat, sun)] == [403, 200]
    # acme's sums stay in the figures of this process when its dataset has gone, and another provider is alone here
    gateway.make_data(path=gateway.policies / "garden.duckdb")
    (gateway.policies / "shop.yaml").unlink()
    gateway.process.send_signal(signal.SIGHUP)
    listed = lambda: json.loads(gateway.call("GET", "/v1/datasets", token=pat)[1])["datasets"]  # noqa: E731
    assert eventually(lambda: [one["state"] for one in listed()] == ["published"])
    assert gateway.call("GET", "/v1/datasets", token=eve)[1] == b'{"datasets": []}'
    assert [gateway.call("GET", "/metrics", token=token)[0] for token in (eve, pat, sun)] == [403, 403, 200]


def test_ready_knows_the_engine_and_log_lines_are_json(gateway):
    status, body = gateway.call("GET", "/readyz")
    assert status == 200
    assert json.loads(body) == {"status": "ready", "store": "ok", "workers": "ok", "datasets": {"open": 1, "shut": 0}}
    gateway.kill()
    gateway.data.rename(gateway.data.with_suffix(".away"))
    gateway.start()
    status, body = gateway.call("GET", "/readyz")
    assert (status, json.loads(body)["code"]) == (503, "not_ready")
    assert "no dataset is open" in json.loads(body)["detail"]
    assert gateway.call("GET", "/healthz")[0] == 200
    gateway.data.with_suffix(".away").rename(gateway.data)
    deadline = time.monotonic() + 30
    while gateway.call("GET", "/readyz")[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    lines = [json.loads(line) for line in (gateway.folder / "log").read_text().splitlines()]
    assert any("shop" in line["message"] and line["level"] == "ERROR" for line in lines)
