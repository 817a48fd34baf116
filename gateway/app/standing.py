"""How a dataset stands: published and open, or known by its policy while its data cannot be opened."""

from dataclasses import dataclass

from gateway.app.policies import PolicyFile
from gateway.catalog.model import Dataset, Grant
from gateway.errors import GatewayError

LOOK_S = 1.0
"""How often declarations of other processes, and datasets whose pause is over, are looked for."""

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
"""A dataset that cannot be opened is tried again after pauses that double between these two."""


@dataclass(frozen=True, slots=True)
class Published:
    """A dataset as it is served, the policy file it came from, and the declaration that it was built at."""

    file: PolicyFile
    dataset: Dataset
    declaration: int

    @property
    def grants(self) -> tuple[Grant, ...]:
        return self.dataset.grants

    @property
    def data_version(self) -> str | None:
        return self.dataset.data_version

    @property
    def change(self) -> int:
        """The last change of its versions that it was built at."""
        return self.file.told.change

    @property
    def state(self) -> str:
        return "published" if self.dataset.suspended is None else "suspended"

    @property
    def reason(self) -> str | None:
        """Why nobody is answered, for the provider alone."""
        return self.dataset.suspended


@dataclass(frozen=True, slots=True)
class Unopened:
    """A dataset whose data cannot be opened now: `error` says why, and `again_at` (loop time) when it is tried again.

    `data_version` is the one declared last, None before the first; `declaration` its number, 0 before the first.
    """

    file: PolicyFile
    error: GatewayError
    declaration: int
    data_version: str | None
    pause_s: float
    again_at: float

    @property
    def grants(self) -> tuple[Grant, ...]:
        return self.file.grants

    @property
    def change(self) -> int:
        """The last change of its versions that was known."""
        return self.file.told.change

    @property
    def state(self) -> str:
        return "unavailable"

    @property
    def reason(self) -> str | None:
        """Why nobody is answered, for the provider alone: its own path and our words."""
        return f"{self.file.source().path}: {self.error.code}: {self.error.detail} {self.error.hint}".strip()


@dataclass(frozen=True, slots=True)
class Unserved:
    """A dataset of which no version is served, as the store says: `file` is the draft that its folder has.

    Its provider sees it, and nobody else.
    """

    file: PolicyFile
    state: str
    declaration: int
    data_version: str | None

    @property
    def grants(self) -> tuple[Grant, ...]:
        return ()

    @property
    def change(self) -> int:
        """The last change of its versions that was known."""
        return self.file.told.change

    @property
    def reason(self) -> str | None:
        """Why nobody is answered."""
        return "No version of its policy is published."


Held = Published | Unopened | Unserved
"""A dataset that this process knows."""


def unavailable() -> GatewayError:
    """Return what those with a grant are told of a dataset that cannot be opened; why is its provider's alone."""
    hint = "Its provider has been told; ask again later."
    return GatewayError("engine_unavailable", "The data cannot be opened now.", hint)


def unknown_dataset(name: str) -> GatewayError:
    hint = "GET /v1/datasets lists those that you have a grant on."
    return GatewayError("unknown_dataset", f"There is no dataset '{name}' for you.", hint)
