"""Ask a gateway from Python: `connect` for programs that wait, `connect_async` for those that run an event loop.

    with connect("https://gateway.example", token) as gateway:
        print(gateway.query("SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort"))

It speaks the HTTP API alone and imports nothing else of the gateway than the offline verifier; aiohttp, pyarrow, rich,
pandas and Polars are loaded where they are used.
"""

from gateway.client.aio import AsyncGateway, connect_async
from gateway.client.asking import Ended
from gateway.client.errors import (
    BadReply,
    BudgetExhausted,
    Charged,
    GatewayError,
    Position,
    QueryCancelled,
    QueryFailed,
    RateLimited,
    ReceiptError,
    Refused,
    Unauthenticated,
    Unavailable,
    Unreachable,
)
from gateway.client.models import Estimate, Fitted
from gateway.client.progress import Progress
from gateway.client.quote import Quote
from gateway.client.receipts import Receipt
from gateway.client.result import Price, Privacy, Result
from gateway.client.retries import Retries
from gateway.client.sync import Gateway, connect
from gateway.client.values import Column

__all__ = [
    "AsyncGateway",
    "BadReply",
    "BudgetExhausted",
    "Charged",
    "Column",
    "Ended",
    "Estimate",
    "Fitted",
    "Gateway",
    "GatewayError",
    "Position",
    "Price",
    "Privacy",
    "Progress",
    "QueryCancelled",
    "QueryFailed",
    "Quote",
    "RateLimited",
    "Receipt",
    "ReceiptError",
    "Refused",
    "Result",
    "Retries",
    "Unauthenticated",
    "Unavailable",
    "Unreachable",
    "connect",
    "connect_async",
]
