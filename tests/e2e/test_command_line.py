"""What a buyer types, against a real gateway: formats, files, an interrupt, completion."""

import json
import os
import signal
import subprocess
import sys

import pyarrow as pa
import pytest
from support.gateways import eventually, held_up, states
from support.starting import ended

BY_COHORT = "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort ORDER BY cohort"


def command(gateway, *words):
    environment = {
        **os.environ,
        "QUERY_GATEWAY_URL": gateway.url,
        "QUERY_GATEWAY_TOKEN": gateway.token(),
        "COLUMNS": "120",
    }
    return words, environment


def run(gateway, *words):
    return ended(*command(gateway, *words))


def test_an_answer_is_a_table_with_its_receipt_verified(gateway):
    done = run(gateway, "query", "--sql", BY_COHORT)
    assert done.returncode == 0, done.stderr
    assert "1997-01" in done.stdout
    assert "receipt verified" in done.stdout


@pytest.mark.parametrize(("form", "head"), [("csv", "cohort,n,n_low,n_high"), ("ndjson", '{"cohort": "1997-01"')])
def test_an_answer_is_printed_in_a_format(gateway, form, head):
    done = run(gateway, "query", "--sql", BY_COHORT, "--format", form)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(head)
    assert run(gateway, "query", "--sql", BY_COHORT, "--format", form, "--no-intervals").stdout.count("low") == 0


def test_an_answer_is_written_to_a_file(gateway, tmp_path):
    out = tmp_path / "answer.arrow"
    done = run(gateway, "query", "--sql", BY_COHORT, "--format", "arrow", "--out", str(out), "--row-limit", "2")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert pa.ipc.open_stream(out.read_bytes()).read_all().num_rows == 2
    assert run(gateway, "query", "--sql", BY_COHORT, "--format", "arrow").returncode == 2
    lost = run(gateway, "query", "--sql", BY_COHORT, "--format", "json", "--out", str(tmp_path / "none" / "a.json"))
    assert (lost.returncode, "cannot be written" in lost.stderr) == (2, True)


@pytest.mark.long
def test_an_interrupt_cancels_and_says_what_stays_charged(own):
    gateway = own()
    line, environment = command(gateway, "query", "--sql", BY_COHORT)
    with held_up(gateway):
        typed = [sys.executable, "-m", "gateway", *line]
        asking = subprocess.Popen(typed, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert eventually(lambda: states(gateway) == ["running"])
        asking.send_signal(signal.SIGINT)
        out, told = asking.communicate(timeout=60)
    assert (asking.returncode, out) == (130, ""), told
    assert "stays charged" in told
    assert states(gateway) == ["cancelled"]


def test_cancel_and_completion(gateway):
    query_id = json.loads(run(gateway, "query", "--json", "--sql", BY_COHORT).stdout)["query_id"]
    assert f"query {query_id} is FINISHED" in run(gateway, "cancel", query_id).stdout
    assert run(gateway, "cancel", "Q9").returncode == 2
    assert "--install-completion" in run(gateway, "--help").stdout
