"""Queries made at random from a small grammar of everything that is answered (and much that is refused)."""

import random

FROM = (
    ("purchases p", "p"),
    ("purchases p JOIN customers c ON p.customer_id = c.customer_id", "pc"),
    ("purchases p LEFT JOIN customers c USING (customer_id)", "pc"),
    ("purchases p JOIN calendar k ON k.day = p.purchased_on", "pk"),
    ("calendar k RIGHT JOIN purchases p ON k.day = p.purchased_on", "pk"),
    ("lines l", "l"),
    ("lines l JOIN orders o ON o.order_id = l.order_id", "lo"),
    ("lines l LEFT JOIN orders o USING (order_id)", "lo"),
    ("orders o JOIN customers c ON o.customer_id = c.customer_id", "oc"),
    ("customers c", "c"),
    ("(SELECT * FROM purchases WHERE quantity > 0) p", "p"),
    (
        "(SELECT quantity + 1 AS quantity, gift, basket, amount, score, weight, purchased_on, customer_id FROM purchases) p",
        "p",
    ),
)
KEYS = {
    "p": ("p.gift", "p.quantity", "p.basket", "date_trunc('month', p.purchased_on)", "p.quantity % 4",
          "CASE WHEN p.quantity > 3 THEN 'big' WHEN p.gift THEN NULL ELSE 'small' END", "EXTRACT(year FROM p.purchased_on)",
          "COALESCE(p.gift, TRUE)", "p.weight > 1", "lower(p.basket)", "CAST(p.basket AS DATE)", "CAST(p.basket AS INT)", "p.score IS NULL",
          "CAST(ROUND(p.score * 4) AS INT)", "FLOOR(LEAST(GREATEST(p.weight, 0), 5))", "date_trunc('quarter', p.purchased_on)"),
    "c": ("c.cohort", "c.cohort = '1997-01'"),
    "k": ("k.quarter", "k.weekday", "k.weekday > 5"),
    "l": ("l.flag", "l.flag IS TRUE"),
    "o": ("o.status", "CASE o.status WHEN 'open' THEN 1 ELSE 0 END"),
}  # fmt: skip
MEASURES = {
    "p": ("COUNT(*)", "COUNT(p.score)", "SUM(p.quantity)", "SUM(p.amount)", "AVG(p.amount)", "AVG(p.score)",
          "SUM(LEAST(GREATEST(p.weight, -3), 3))", "COUNT(DISTINCT p.customer_id)", "SUM(p.quantity * p.amount)",
          "SUM(CASE WHEN p.gift THEN p.quantity ELSE -p.quantity END)", "COUNT(*) FILTER (WHERE p.quantity > 3)",
          "COUNT(DISTINCT p.customer_id) FILTER (WHERE p.gift)", "AVG(p.quantity) FILTER (WHERE p.weight < 2)",
          "SUM(p.quantity / 3)", "SUM(ABS(p.quantity - 25))", "SUM(p.score - p.quantity)", "SUM(ROUND(p.score, 2))",
          "AVG(NULLIF(p.quantity, 0))", "SUM(p.quantity) / COUNT(*)"),
    "c": ("COUNT(*)", "COUNT(DISTINCT c.customer_id)"),
    "k": ("COUNT(*)",),
    "l": ("COUNT(*)", "SUM(l.price)", "AVG(l.price)", "SUM(l.price * (1 - l.discount))", "AVG(l.discount)"),
    "o": ("COUNT(*)",),
}  # fmt: skip
WHERE = {
    "p": ("p.quantity IN (1, 2, 3)", "p.quantity BETWEEN 1 AND 60", "1/(p.quantity-2) > 0", "CAST(p.basket AS INT) > 3",
          "p.purchased_on >= '1998-01-01'", "NOT p.gift", "p.basket LIKE 's%'", "p.weight < 5 OR p.score IS NULL",
          "p.quantity = 4", "p.score BETWEEN 0.25 AND 0.75", "p.gift IS NOT NULL", "p.basket IN ('small', 'large')"),
    "c": ("c.cohort IN ('1997-01', '1997-02')", "c.cohort <> '1997-03'"),
    "k": ("k.weekday < 6",),
    "l": ("l.flag", "l.price > 10"),
    "o": ("o.status = 'paid'",),
}  # fmt: skip


def query(seed: int) -> str:
    draw = random.Random(seed)
    source, letters = draw.choice(FROM)
    keys = draw.sample([k for x in letters for k in KEYS[x]], min(draw.choice((0, 1, 1, 2)), 2))
    pool = [m for x in letters for m in MEASURES[x]]
    measures = draw.sample(pool, min(draw.choice((1, 1, 2, 4)), len(pool)))
    tests = draw.sample([w for x in letters for w in WHERE[x]], draw.choice((0, 0, 1, 1)))
    items = [f"{k} AS k{i}" for i, k in enumerate(keys)] + [f"{m} AS m{i}" for i, m in enumerate(measures)]
    text = f"SELECT {', '.join(items)} FROM {source}"
    if tests:
        text += f" WHERE {' AND '.join(tests)}"
    if keys:
        text += f" GROUP BY {', '.join(str(i + 1) for i in range(len(keys)))}"
    return text
