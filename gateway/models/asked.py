"""What a model is asked for: plain values, as the door has read them."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What is fitted. COVARIANCE and CONTINGENCY have no target."""

    LINEAR = "linear_regression"
    LOGISTIC = "logistic_regression"
    COVARIANCE = "covariance"
    CONTINGENCY = "contingency"

    @property
    def targeted(self) -> bool:
        return self in (Kind.LINEAR, Kind.LOGISTIC)


MOST_FEATURES = {Kind.LINEAR: 10, Kind.LOGISTIC: 5, Kind.COVARIANCE: 10, Kind.CONTINGENCY: 4}
"""Each pair of features is a measurement of its own, and shares the budget with the others."""

MOST_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Model:
    """A model over the rows of `source`: the name of a table, or the text of a SELECT whose columns are named.

    `ridge` is what is added to the diagonal, counted in rows of a feature that lies at its bound. `rounds` are the
    Newton steps of a logistic regression.
    """

    kind: Kind
    source: str
    features: tuple[str, ...]
    target: str | None = None
    intercept: bool = True
    ridge: float = 0.0
    rounds: int = 3
    confidence: float = 0.95
