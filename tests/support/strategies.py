"""Hypothesis strategies for SQL: expressions of each type over the shop's columns, and whole queries around them."""

from hypothesis import strategies as st

NUMBERS = ("p.quantity", "p.amount", "p.score", "p.weight", "0", "1", "2", "7", "2.5", "0.01", "1e3", "NULL")
TEXTS = ("p.basket", "'small'", "'4.5'", "''")
DATES = ("p.purchased_on", "DATE '1997-06-30'", "date_trunc('month', p.purchased_on)")
TRUTHS = ("p.gift", "TRUE", "p.quantity > 3", "p.score IS NULL")


@st.composite
def numbers(draw, depth=2):
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(NUMBERS))
    one = draw(numbers(depth - 1))
    match draw(st.integers(0, 15)):
        case 0 | 1:
            return f"({one} {draw(st.sampled_from('+-*'))} {draw(numbers(depth - 1))})"
        case 2:
            return f"{one} / NULLIF({draw(numbers(depth - 1))}, 0)"
        case 3:
            return f"CAST({one} AS BIGINT) % NULLIF({draw(st.integers(-3, 9))}, 0)"
        case 4:
            return f"{draw(st.sampled_from(('ABS', 'FLOOR', 'CEIL', 'ROUND', '-')))}({one})"
        case 5:
            return f"ROUND({one}, {draw(st.integers(0, 3))})"
        case 6:
            return f"LEAST(GREATEST({one}, {draw(st.integers(-9, 0))}), {draw(st.integers(1, 50))})"
        case 7:
            return f"CASE WHEN {draw(truths(depth - 1))} THEN {one} ELSE {draw(numbers(depth - 1))} END"
        case 8:
            return f"COALESCE({one}, {draw(numbers(depth - 1))})"
        case 9:
            return f"CAST({one} AS {draw(st.sampled_from(('INTEGER', 'BIGINT', 'DOUBLE', 'DECIMAL(12,2)')))})"
        case 10:
            return f"LENGTH({draw(texts(depth - 1))})"
        case 11:
            return (
                f"EXTRACT({draw(st.sampled_from(('YEAR', 'MONTH', 'DAY', 'QUARTER')))} FROM {draw(dates(depth - 1))})"
            )
        case 12 | 13 | 14:
            return draw(called_numbers(one, depth))
        case _:
            return f"NULLIF({one}, {draw(st.integers(0, 3))})"


@st.composite
def called_numbers(draw, one, depth):
    """A number out of a function, of `one` or of texts and dates."""
    match draw(st.integers(0, 5)):
        case 0:
            call = draw(st.sampled_from(("SQRT", "LN", "EXP", "SIGN", "TRUNC", "CBRT", "SIN", "LOG10", "DEGREES")))
            return f"{call}({one})"
        case 1:
            return f"POWER({one}, {draw(st.sampled_from(('2', '3', '-1', '0.5', 'p.quantity')))})"
        case 2:
            return f"width_bucket({one}, {draw(st.integers(-3, 3))}, {draw(st.integers(4, 60))}, {draw(st.integers(1, 9))})"
        case 3:
            unit = draw(st.sampled_from(("day", "week", "month", "year", "hour")))
            return f"date_diff('{unit}', {draw(dates(depth - 1))}, {draw(dates(depth - 1))})"
        case 4:
            return f"STRPOS({draw(texts(depth - 1))}, {draw(texts(depth - 1))})"
        case _:
            fields = ("DOW", "DOY", "ISOYEAR", "WEEK", "HOUR", "EPOCH")
            return f"EXTRACT({draw(st.sampled_from(fields))} FROM {draw(dates(depth - 1))})"


@st.composite
def truths(draw, depth=2):
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(TRUTHS))
    compare = draw(st.sampled_from(("=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM")))
    match draw(st.integers(0, 12)):
        case 0 | 1:
            return f"{draw(numbers(depth - 1))} {compare} {draw(numbers(depth - 1))}"
        case 2:
            return f"({draw(truths(depth - 1))} {draw(st.sampled_from(('AND', 'OR')))} {draw(truths(depth - 1))})"
        case 3:
            return f"NOT ({draw(truths(depth - 1))})"
        case 4:
            return f"{draw(numbers(depth - 1))} IS {draw(st.sampled_from(('', 'NOT ')))}NULL"
        case 5:
            return f"{draw(numbers(depth - 1))} {draw(st.sampled_from(('', 'NOT ')))}IN (1, 2, 4.5)"
        case 6:
            return f"{draw(numbers(depth - 1))} BETWEEN {draw(st.integers(-3, 3))} AND {draw(st.integers(3, 60))}"
        case 7:
            return f"{draw(texts(depth - 1))} LIKE '{draw(st.text('s%_4.a', max_size=4).filter(lambda t: t.count('%') < 3))}'"
        case 8:
            return f"{draw(texts(depth - 1))} {compare} {draw(texts(depth - 1))}"
        case 9:
            pattern = draw(st.sampled_from(("^s", "a|l$", "[0-9]+", "(a.)*x", "^[^a-m]{2,5}$")))
            return f"regexp_matches({draw(texts(depth - 1))}, '{pattern}')"
        case 10:
            call = draw(st.sampled_from(("starts_with", "ends_with", "contains")))
            return f"{call}({draw(texts(depth - 1))}, {draw(texts(depth - 1))})"
        case 11:
            return (
                f"{draw(numbers(depth - 1))} BETWEEN SYMMETRIC {draw(st.integers(-3, 9))} AND {draw(st.integers(0, 9))}"
            )
        case _:
            return f"{draw(dates(depth - 1))} {compare} {draw(dates(depth - 1))}"


@st.composite
def texts(draw, depth=2):
    if depth == 0 or draw(st.integers(0, 2)) == 0:
        return draw(st.sampled_from(TEXTS))
    one = draw(texts(depth - 1))
    match draw(st.integers(0, 9)):
        case 0:
            return f"{draw(st.sampled_from(('LOWER', 'UPPER', 'TRIM')))}({one})"
        case 5:
            return f"{draw(st.sampled_from(('LEFT', 'RIGHT')))}({one}, {draw(st.integers(-2, 3))})"
        case 6:
            return f"{draw(st.sampled_from(('LPAD', 'RPAD')))}({one}, {draw(st.integers(0, 6))}, 'xy')"
        case 7:
            return f"REPLACE({one}, 'a', {draw(st.sampled_from(('', 'bb')))!r})".replace('""', "''")
        case 8:
            form = draw(st.sampled_from(("%Y-%m", "%b %d", "%G-%V", "%A")))
            return f"strftime({draw(dates(depth - 1))}, '{form}')"
        case 9:
            return f"split_part(concat({one}, '-', {draw(texts(depth - 1))}), '-', {draw(st.sampled_from((1, 2, -1)))})"
        case 1:
            return f"SUBSTR({one}, {draw(st.integers(1, 3))}, {draw(st.integers(0, 2))})"
        case 2:
            return f"({one} || {draw(texts(depth - 1))})"
        case 3:
            return f"CASE WHEN {draw(truths(depth - 1))} THEN {one} END"
        case _:
            return f"COALESCE({one}, 'none')"


@st.composite
def dates(draw, depth=2):
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(DATES))
    if draw(st.integers(0, 5)) == 0:
        return f"CAST({draw(texts(depth - 1))} AS {draw(st.sampled_from(('DATE', 'TIMESTAMP')))})"
    if draw(st.booleans()):
        unit = draw(st.sampled_from(("year", "quarter", "month", "week", "day")))
        return f"CAST(date_trunc('{unit}', {draw(dates(depth - 1))}) AS DATE)"
    match draw(st.integers(0, 4)):
        case 0:
            amount = f"{draw(st.integers(-40, 400))}' {draw(st.sampled_from(('DAY', 'MONTH', 'YEAR', 'HOUR')))}"
            return f"({draw(dates(depth - 1))} {draw(st.sampled_from('+-'))} INTERVAL '{amount})"
        case 1:
            return f"({draw(dates(depth - 1))} + INTERVAL (p.quantity) {draw(st.sampled_from(('DAY', 'MONTH')))})"
        case 2:
            return f"last_day({draw(dates(depth - 1))})"
        case 3:
            return f"make_date(EXTRACT(YEAR FROM {draw(dates(depth - 1))}), p.quantity, 7)"
        case _:
            return f"CASE WHEN {draw(truths(depth - 1))} THEN {draw(dates(depth - 1))} END"


@st.composite
def aggregates(draw):
    number = draw(numbers(2))
    call = draw(
        st.sampled_from(
            (
                "COUNT(*)",
                "COUNT(DISTINCT p.customer_id)",
                f"COUNT({number})",
                f"SUM(LEAST(GREATEST({number}, -9), 50))",
                f"SUM({number})",
                f"AVG(LEAST(GREATEST({number}, -9), 50))",
                f"SUM(CASE WHEN {draw(truths(1))} THEN p.quantity ELSE 0 END)",
            )
        )
    )
    return f"{call} FILTER (WHERE {draw(truths(1))})" if draw(st.integers(0, 4)) == 0 else call


SOURCES = (
    "purchases p",
    "purchases p JOIN customers c ON c.customer_id = p.customer_id",
    "purchases p LEFT JOIN calendar k ON k.day = p.purchased_on",
    "(SELECT * FROM purchases WHERE quantity >= 0) p",
    "(SELECT customer_id, quantity * 2 AS quantity, amount + 1 AS amount, score, weight, basket, gift, purchased_on FROM purchases) p",
)


@st.composite
def queries(draw):
    """A SELECT over purchases with expressions everywhere; most are answered, the rest refused by name."""
    keys = draw(st.lists(st.one_of(numbers(1), truths(1), texts(1), dates(2)), max_size=2))
    measures = draw(st.lists(aggregates(), min_size=1, max_size=3))
    items = [f"{key} AS k{i}" for i, key in enumerate(keys)] + [f"{m} AS m{i}" for i, m in enumerate(measures)]
    text = f"SELECT {', '.join(items)} FROM {draw(st.sampled_from(SOURCES))}"
    if draw(st.booleans()):
        text += f" WHERE {draw(truths(2))}"
    if keys:
        text += f" GROUP BY {', '.join(str(i + 1) for i in range(len(keys)))}"
    return text
