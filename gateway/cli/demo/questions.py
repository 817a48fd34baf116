"""The SQL of the demo, word for word what a buyer would send."""

COUNTS_BY_MONTH = """\
SELECT date_trunc('month', purchased_on) AS month, COUNT(*) AS purchases
FROM purchases
GROUP BY 1
ORDER BY 1"""

REVENUE_BY_COHORT = """\
SELECT c.cohort, k.quarter, SUM(p.amount) AS revenue, AVG(p.amount) AS average_basket
FROM purchases p
JOIN customers c ON c.customer_id = p.customer_id
JOIN calendar k ON k.day = p.purchased_on
GROUP BY c.cohort, k.quarter
ORDER BY c.cohort, k.quarter"""

TOP_BASKETS = """\
SELECT basket, COUNT(*) AS n
FROM purchases
GROUP BY basket
ORDER BY n DESC"""

RAW_ROWS = "SELECT * FROM purchases LIMIT 10"

ONE_MORE = "SELECT cohort, COUNT(*) AS customers FROM customers GROUP BY cohort"

MAX_EPSILON = 0.4
"""What the policy allows a query at most."""
