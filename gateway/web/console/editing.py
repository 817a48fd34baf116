"""The editor of a question, of true rows or of synthetic ones: how it begins, and what its form is drawn with."""

from aiohttp import web

from gateway.sql.limits import DIALECTS
from gateway.web.console.pages import Desk
from gateway.web.console.sessions import Session
from gateway.web.console.sketches import AIMS, Sketch


def begun(request: web.Request) -> Sketch:
    """Return the question that an address begins with."""
    return Sketch(sql=request.query.get("sql", ""), dataset=request.query.get("dataset", ""))


async def editor(desk: Desk, session: Session, sketch: Sketch) -> dict[str, object]:
    """Return the values of the form; `chosen` is the sketch's dataset, else the caller's first."""
    datasets = await desk.service.datasets(session.caller)
    return {
        "sketch": sketch,
        "datasets": datasets,
        "chosen": sketch.dataset or (str(datasets[0]["name"]) if datasets else ""),
        "dialects": DIALECTS,
        "aims": AIMS,
        "nonce": desk.sessions.nonce(),
    }
