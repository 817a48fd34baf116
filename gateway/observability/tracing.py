"""Traces: one span for a request, a question and each of its stages, sent to a collector that the operator names.

A span carries names of fixed sets, the query's id and an error's code: no SQL, no value, no caller, no error text. A
caller's own trace context is not taken up: strangers do not decide what is traced.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, Status, StatusCode, format_trace_id, get_current_span

from gateway.errors import GatewayError


def exporter(url: str) -> SpanExporter:
    """Return an exporter to an OTLP collector over HTTP, for example http://localhost:4318/v1/traces."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - only if wanted

    return OTLPSpanExporter(endpoint=url, timeout=5)


def current_trace() -> str | None:
    """Return the id of the trace that this task is in, None outside of one."""
    context = get_current_span().get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else None


class Tracing:
    """Makes the spans of one process."""

    def __init__(self, sent_to: SpanExporter, source: str, instance: str, share: float) -> None:
        resource = Resource({SERVICE_NAME: "controlled-query-gateway", SERVICE_INSTANCE_ID: instance, "source": source})
        self._provider = TracerProvider(
            resource=resource, sampler=ParentBased(TraceIdRatioBased(share)), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(sent_to))
        self._tracer = self._provider.get_tracer("gateway")

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, str]) -> Iterator[Span]:
        """Put what is done inside into one span; of an error only its code is told."""
        with self._tracer.start_as_current_span(
            name, attributes=dict(attributes), record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except BaseException as error:
                code = error.code if isinstance(error, GatewayError) else type(error).__name__
                span.set_status(Status(StatusCode.ERROR))
                span.set_attribute("error.type", code)
                raise

    def close(self) -> None:
        """Send what is held and stop. Blocks for at most some seconds."""
        self._provider.shutdown()
