"""What is counted, timed and traced, and that nothing of a query is among it."""

import asyncio
import contextlib
import json
import logging

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families

from gateway.errors import GatewayError
from gateway.observability.logs import JsonLines
from gateway.observability.metrics import Metrics
from gateway.observability.observer import Observer
from gateway.observability.tracing import Tracing
from gateway.stages import Stage

SECRET = "SELECT secret FROM people"


def figures(observer):
    text = observer.metrics.exposition().decode()
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def spans():
    return InMemorySpanExporter()


@pytest.fixture
def observer(spans):
    return Observer(Metrics(), Tracing(spans, "here", "one", 1.0))


async def ask(observer, error=None):
    with observer.request("POST", "/v1/query") as seen, observer.query("Q1"):
        for stage in Stage:
            with observer.stage(stage):
                await asyncio.sleep(0)
                if error is not None and stage is Stage.EXECUTE:
                    raise error
        seen.status = 200


async def test_every_stage_of_an_answer_is_timed_and_is_a_span_below_its_question(observer, spans):
    await ask(observer)
    found = figures(observer)
    for stage in Stage:
        assert found["gateway_stage_seconds_count", ("stage", stage.value)] == 1
    assert found["gateway_queries_total", ("outcome", "answered")] == 1
    labels = (("method", "POST"), ("route", "/v1/query"), ("status", "200"))
    assert found["gateway_request_seconds_count", *labels] == 1
    await observer.close()
    by_name = {span.name: span for span in spans.get_finished_spans()}
    assert set(by_name) == {"POST /v1/query", "query", *(stage.value for stage in Stage)}
    question = by_name["query"].context.span_id
    assert all(by_name[stage.value].parent.span_id == question for stage in Stage)
    assert by_name["query"].attributes["gateway.query_id"] == "Q1"


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (GatewayError("query_failed", SECRET, SECRET), "query_failed"),
        (ValueError(SECRET), "interrupted"),
        (asyncio.CancelledError(SECRET), "interrupted"),
    ],
)
async def test_of_a_failure_only_its_code_is_told(observer, spans, error, outcome):
    with pytest.raises(type(error)):
        await ask(observer, error)
    found = figures(observer)
    assert found["gateway_queries_total", ("outcome", outcome)] == 1
    assert found["gateway_stage_seconds_count", ("stage", "execute")] == 1
    assert found["gateway_stage_seconds_count", ("stage", "release")] == 0
    await observer.close()
    told = [span.to_json() for span in spans.get_finished_spans()]
    assert "secret" not in "".join(told)
    failed = next(json.loads(text) for text in told if json.loads(text)["name"] == "execute")
    assert failed["status"]["status_code"] == "ERROR"
    assert failed["attributes"]["error.type"] in ("query_failed", "ValueError", "CancelledError")


@pytest.mark.parametrize("error", [None, GatewayError("query_failed", SECRET, SECRET), ValueError(SECRET)])
async def test_without_a_collector_the_same_is_counted(observer, error):
    plain = Observer(Metrics())
    for one in (plain, plain, observer, observer):
        with contextlib.suppress(GatewayError, ValueError):
            await ask(one, error)
    counts = [
        {key: value for key, value in figures(one).items() if key[0].endswith(("_seconds_count", "_queries_total"))}
        for one in (plain, observer)
    ]
    assert counts[0] == counts[1]
    assert max(counts[0].values()) == 2


def test_a_method_that_a_caller_makes_up_is_no_label_of_its_own(observer):
    with observer.request(SECRET, "unknown") as seen:
        seen.status = 405
    assert "secret" not in observer.metrics.exposition().decode()


def test_workers_are_read_when_they_are_asked_for(observer):
    class Three:
        busy, waiting, pids = 2, 5, (1, 2, 3)

    observer.metrics.watch({"engine": Three()})
    found = figures(observer)
    assert found["gateway_workers_alive", ("role", "engine")] == 3
    assert found["gateway_workers_busy", ("role", "engine")] == 2
    assert found["gateway_workers_waited_for", ("role", "engine")] == 5


async def test_a_loop_that_is_held_up_is_late(observer):
    import time

    task = asyncio.create_task(observer.listen())
    await asyncio.sleep(0)
    time.sleep(0.4)  # the very thing that must not happen in a gateway
    await asyncio.sleep(0.05)
    task.cancel()
    assert figures(observer)["gateway_loop_lag_seconds_sum",] > 0.1


def test_a_log_line_is_one_object_with_the_trace_it_belongs_to(observer):
    def line(**kwargs):
        record = logging.LogRecord("gateway.provider", logging.ERROR, "", 0, "query %s\nfailed", ("Q1",), **kwargs)
        text = JsonLines().format(record)
        assert "\n" not in text
        return json.loads(text)

    outside = line(exc_info=None)
    assert outside.keys() == {"time", "level", "logger", "message"}
    assert outside["message"] == "query Q1\nfailed"
    with observer.query("Q1"), observer.stage(Stage.PLAN):
        assert len(line(exc_info=None)["trace_id"]) == 32
    with pytest.raises(ValueError, match="x") as caught:
        int("x")
    error = caught.value
    assert "ValueError: invalid" in line(exc_info=(ValueError, error, error.__traceback__))["stack"]
