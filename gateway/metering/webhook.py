"""Meter events pushed to a webhook: CloudEvents HTTP structured batches, signed, in order, at least once.

Sources: CloudEvents HTTP protocol binding 1.0.2, section 3.3 (batched content mode); HMAC is RFC 2104 with SHA-256.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import aiohttp

from gateway.metering.delivery import Delivered, Entry, Undelivered
from gateway.ports import Clock, Randomness

CONTENT_TYPE = "application/cloudevents-batch+json; charset=UTF-8"
SIGNATURE = "Gateway-Signature"
TIMEOUT_S = 10.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 60.0
REFUSALS = frozenset({400, 413, 422})
"""Answers that are about the events themselves. Everything else is about the receiver, and passes."""


def signature(secret: bytes, at: datetime, body: bytes) -> str:
    """Return `t=<unix seconds>,v1=<hex>`: HMAC-SHA-256 of the seconds, a full stop and the body.

    A receiver compares in constant time, and turns away what is minutes old.
    """
    seconds = int(at.timestamp())
    code = hmac.new(secret, f"{seconds}.".encode() + body, "sha256").hexdigest()
    return f"t={seconds},v1={code}"


class WebhookSink:
    """Posts batches. An event that the receiver refuses `attempts` times is given up; an outage never is."""

    def __init__(
        self,
        url: str,
        secret: bytes,
        clock: Clock,
        randomness: Randomness,
        attempts: int,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        name: str = "webhook",
    ) -> None:
        self.name = name
        self._url = url
        self._secret = secret
        self._clock = clock
        self._randomness = randomness
        self._attempts = attempts
        self._pause = pause
        self._failures = 0

    async def start(self, confirmed: int, epoch: int) -> int:
        """Go on after what was confirmed."""
        return confirmed

    async def deliver(self, batch: Sequence[Entry]) -> Delivered:
        """Post a batch. Raises Undelivered, after a wait that grows with every failure in a row.

        A batch that is refused is halved until the events are found that are not taken: those are tried `attempts`
        times in all, and the ones before and after them arrive.
        """
        status = await self._post(batch)
        if status is None:
            self._failures = 0
            return Delivered(batch[-1].sequence)
        if len(batch) > 1:
            middle = len(batch) // 2
            first = await self.deliver(batch[:middle])
            # what was refused for good is kept before anything else is tried
            return first if first.dead else await self.deliver(batch[middle:])
        for attempt in range(1, self._attempts):
            await self._pause(self._wait(attempt))
            status = await self._post(batch)
            if status is None:
                return Delivered(batch[0].sequence)
        return Delivered(batch[0].sequence, ((batch[0], f"HTTP {status}, {self._attempts} times"),))

    async def _post(self, batch: Sequence[Entry]) -> int | None:
        """Post events once; return the status of a refusal, None where they were taken. Raises Undelivered."""
        body = ("[" + ",".join(entry.line for entry in batch) + "]").encode()
        headers = {"Content-Type": CONTENT_TYPE, SIGNATURE: signature(self._secret, self._clock.now(), body)}
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session,
                session.post(self._url, data=body, headers=headers, allow_redirects=False) as reply,
            ):
                status = reply.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            await self._failed(type(error).__name__)
        if 200 <= status < 300:
            return None
        if status in REFUSALS:
            return status
        return await self._failed(f"HTTP {status}")

    async def _failed(self, why: str) -> int:
        """Wait, then raise Undelivered: the batch is tried again from what is confirmed."""
        self._failures += 1
        await self._pause(self._wait(self._failures))
        raise Undelivered(f"the webhook does not take events ({why}, {self._failures} times in a row)")

    def _wait(self, failures: int) -> float:
        """Return a wait that doubles up to a minute, of which a random half is left out: receivers are not stormed."""
        longest = min(FIRST_WAIT_S * 2 ** min(failures - 1, 20), LONGEST_WAIT_S)
        share = int.from_bytes(self._randomness.token_bytes(4), "big") / 2**32
        return float(longest * (0.5 + share / 2))
