"""What a statement on Spark scanned, of what the client was told."""

from types import SimpleNamespace

from gateway.engines.spark_rows import scanned


def metric(name, value):
    return SimpleNamespace(name=name, value=value)


def node(name, number, *metrics):
    return SimpleNamespace(name=name, id=number, metrics=metrics)


def frame(*nodes):
    graph = (0, {one.id: one for one in nodes})
    return SimpleNamespace(executionInfo=SimpleNamespace(metrics=SimpleNamespace(extract_graph=lambda: graph)))


def test_nodes_that_read_files_are_told_with_their_rows():
    read = node("Scan parquet ", 4, metric("numFiles", 3), metric("numOutputRows", 600))
    assert scanned(frame(read, node("HashAggregate", 2, metric("numOutputRows", 1)))) == (("Scan parquet 4", 600),)


def test_a_server_that_tells_nothing_of_a_plan_costs_no_answer():
    assert scanned(SimpleNamespace(executionInfo=None)) == ()
    assert scanned(SimpleNamespace(executionInfo=SimpleNamespace(metrics=None))) == ()
