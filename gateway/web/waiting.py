"""How long an asker waits for a question, and what is told of one that goes on."""

from aiohttp import web

from gateway.web.delivery import Delivery
from gateway.web.exchange import json_response
from gateway.web.routes import JSON, Reply
from gateway.web.service import Question

QUERY_ID = "Gateway-Query-Id"
RUNNING = "RUNNING"
GOES_ON = Reply("it goes on; `Location` says where", {JSON: "Running"})


async def waited(question: Question, delivery: Delivery) -> bool:
    """Wait as long as is asked; tell whether the question is over. One that is not is known by its id from here on."""
    if delivery.wait_s is None or await question.wait(delivery.wait_s):
        return True
    if delivery.cancel:
        await question.cancel()
    else:
        await question.known()
    return question.over


def running(question: Question) -> dict[str, object]:
    """Return what is told of a question while it runs: it hangs on the question alone."""
    stage = question.stage
    return {"query_id": question.query_id, "state": RUNNING, "stage": stage.value if stage is not None else None}


def goes_on(question: Question) -> web.Response:
    """Return the reply of status 202 that says where a question is looked at."""
    headers = {"Location": f"/v1/queries/{question.query_id}", QUERY_ID: question.query_id, "Retry-After": "1"}
    return json_response(running(question), status=202, headers=headers)
