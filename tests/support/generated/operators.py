"""Every way to make a relation of others, as often as it is to be drawn."""

from support.generated.beside import beside_public, staged
from support.generated.joins import joined, of_itself, set_of
from support.generated.relations import Operator
from support.generated.rows import computed, distinct, filtered, grouped, windowed
from support.generated.subqueries import by_scalar, tested

OPERATORS: tuple[Operator, ...] = (
    filtered,
    computed,
    computed,
    windowed,
    grouped,
    grouped,
    distinct,
    joined,
    joined,
    joined,
    of_itself,
    set_of,
    tested,
    tested,
    by_scalar,
    beside_public,
    beside_public,
    staged,
    staged,
)
