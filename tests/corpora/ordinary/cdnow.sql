-- buyer widget-analytics/ana
-- at 08:40
SELECT COUNT(*) AS n FROM customers;
SELECT cohort, COUNT(*) AS customers FROM customers GROUP BY cohort;
SELECT COUNT(*) AS purchases FROM purchases;
SELECT COUNT(*) AS purchases, COUNT(DISTINCT customer_id) AS buyers FROM purchases;
SELECT date_trunc('month', purchased_on) AS month, COUNT(*) AS purchases FROM purchases GROUP BY 1 ORDER BY 1;
SELECT date_trunc('month', purchased_on) AS month, SUM(amount) AS revenue FROM purchases GROUP BY 1 ORDER BY 1;
SELECT date_trunc('month', purchased_on) AS month, COUNT(*) AS purchases, SUM(amount) AS revenue, AVG(amount) AS basket FROM purchases GROUP BY 1 ORDER BY 1;
SELECT date_trunc('quarter', purchased_on) AS quarter, COUNT(*) AS purchases, SUM(amount) AS revenue FROM purchases GROUP BY 1 ORDER BY 1;
SELECT EXTRACT(year FROM purchased_on) AS year, COUNT(*) AS purchases FROM purchases GROUP BY 1;
-- at 09:10
SELECT COUNT(*) AS n FROM purchases WHERE purchased_on >= DATE '1997-01-01' AND purchased_on < DATE '1997-02-01';
SELECT COUNT(*) AS n FROM purchases WHERE purchased_on >= DATE '1997-02-01' AND purchased_on < DATE '1997-03-01';
SELECT COUNT(*) AS n FROM purchases WHERE purchased_on >= DATE '1997-03-01' AND purchased_on < DATE '1997-04-01';
SELECT COUNT(*) AS n FROM purchases WHERE purchased_on >= DATE '1997-01-01' AND purchased_on < DATE '1997-04-01';
SELECT COUNT(*) AS n FROM purchases WHERE purchased_on >= DATE '1997-01-01' AND purchased_on <= DATE '1997-12-31';
SELECT COUNT(*) AS n FROM purchases WHERE purchased_on >= DATE '1998-01-01';
SELECT SUM(amount) AS revenue FROM purchases WHERE EXTRACT(year FROM purchased_on) = 1997;
SELECT SUM(amount) AS revenue FROM purchases WHERE EXTRACT(year FROM purchased_on) = 1998;
SELECT COUNT(*) AS n FROM purchases WHERE quantity = 1;
SELECT COUNT(*) AS n FROM purchases WHERE quantity > 1;
SELECT COUNT(*) AS n FROM purchases WHERE quantity > 5;
SELECT COUNT(*) AS n FROM purchases WHERE quantity > 10;
SELECT COUNT(*) AS n FROM purchases WHERE quantity > 20;
SELECT quantity, COUNT(*) AS n FROM purchases GROUP BY quantity ORDER BY quantity;
SELECT CASE WHEN quantity <= 1 THEN 'one' WHEN quantity <= 5 THEN 'few' ELSE 'many' END AS size, COUNT(*) AS n FROM purchases GROUP BY 1;
SELECT CASE WHEN quantity <= 1 THEN 'one' WHEN quantity <= 3 THEN 'few' ELSE 'many' END AS size, COUNT(*) AS n FROM purchases GROUP BY 1;
SELECT AVG(quantity) AS q FROM purchases;
SELECT AVG(quantity) AS q FROM purchases WHERE quantity > 0;
SELECT AVG(quantity) AS q, STDDEV_SAMP(quantity) AS s FROM purchases;
SELECT MEDIAN(amount) AS m FROM purchases;
SELECT MEDIAN(amount) AS m FROM purchases WHERE quantity = 1;
SELECT QUANTILE_CONT(amount, 0.9) AS p90 FROM purchases;
-- at 10:30
SELECT c.cohort, COUNT(*) AS purchases FROM purchases p JOIN customers c ON c.customer_id = p.customer_id GROUP BY c.cohort;
SELECT c.cohort, SUM(p.amount) AS revenue FROM purchases p JOIN customers c ON c.customer_id = p.customer_id GROUP BY c.cohort;
SELECT c.cohort, k.quarter, SUM(p.amount) AS revenue, AVG(p.amount) AS average_basket FROM purchases p JOIN customers c ON c.customer_id = p.customer_id JOIN calendar k ON k.day = p.purchased_on GROUP BY c.cohort, k.quarter ORDER BY c.cohort, k.quarter;
SELECT c.cohort, date_trunc('month', p.purchased_on) AS month, COUNT(*) AS n FROM purchases p JOIN customers c ON c.customer_id = p.customer_id GROUP BY 1, 2 ORDER BY 1, 2;
SELECT COUNT(*) AS n FROM purchases p JOIN customers c ON c.customer_id = p.customer_id WHERE c.cohort = '1997-01';
SELECT COUNT(*) AS n FROM purchases p JOIN customers c ON c.customer_id = p.customer_id WHERE c.cohort = '1997-02';
SELECT COUNT(*) AS n FROM purchases p JOIN customers c ON c.customer_id = p.customer_id WHERE c.cohort = '1997-03';
SELECT AVG(p.amount) AS basket FROM purchases p JOIN customers c ON c.customer_id = p.customer_id WHERE c.cohort = '1997-01' AND p.purchased_on >= DATE '1998-01-01';
SELECT AVG(p.amount) AS basket FROM purchases p JOIN customers c ON c.customer_id = p.customer_id WHERE c.cohort = '1997-03' AND p.purchased_on >= DATE '1998-01-01';
SELECT COUNT(DISTINCT p.customer_id) AS back FROM purchases p JOIN customers c ON c.customer_id = p.customer_id WHERE c.cohort = '1997-01' AND p.purchased_on >= DATE '1997-04-01';
SELECT COUNT(DISTINCT p.customer_id) AS back FROM purchases p JOIN customers c ON c.customer_id = p.customer_id WHERE c.cohort = '1997-02' AND p.purchased_on >= DATE '1997-05-01';
SELECT COUNT(DISTINCT p.customer_id) AS back FROM purchases p JOIN customers c ON c.customer_id = p.customer_id WHERE c.cohort = '1997-03' AND p.purchased_on >= DATE '1997-06-01';
SELECT COUNT(DISTINCT customer_id) AS active FROM purchases WHERE purchased_on >= DATE '1998-04-01';
SELECT COUNT(DISTINCT customer_id) AS active FROM purchases WHERE purchased_on >= DATE '1998-01-01';
SELECT basket, COUNT(*) AS n FROM purchases GROUP BY basket ORDER BY n DESC;
SELECT basket, AVG(amount) AS a FROM purchases GROUP BY basket;
-- at 14:05
SELECT COUNT(*) AS n FROM purchases WHERE purchased_on = DATE '1997-12-24';
SELECT COUNT(*) AS n FROM purchases WHERE purchased_on BETWEEN DATE '1997-12-01' AND DATE '1997-12-24';
SELECT COUNT(*) AS n FROM purchases WHERE purchased_on BETWEEN DATE '1997-12-01' AND DATE '1997-12-31';
SELECT COUNT(*) AS n FROM purchases WHERE purchased_on BETWEEN DATE '1997-11-01' AND DATE '1997-11-30';
SELECT COUNT(*) AS n FROM purchases WHERE purchased_on <> DATE '1997-12-25';
SELECT k.weekday, COUNT(*) AS n FROM purchases p JOIN calendar k ON k.day = p.purchased_on GROUP BY k.weekday ORDER BY k.weekday;
SELECT k.weekday, SUM(p.amount) AS revenue FROM purchases p JOIN calendar k ON k.day = p.purchased_on GROUP BY k.weekday ORDER BY k.weekday;
SELECT COUNT(*) AS n FROM purchases p JOIN calendar k ON k.day = p.purchased_on WHERE k.weekday IN (6, 7);
SELECT COUNT(*) AS n FROM purchases p JOIN calendar k ON k.day = p.purchased_on WHERE k.weekday NOT IN (6, 7);
SELECT purchased_on, COUNT(*) AS n FROM purchases WHERE purchased_on BETWEEN DATE '1997-12-01' AND DATE '1997-12-31' GROUP BY 1 ORDER BY 1;
SELECT cohort, COUNT(*) AS customers FROM customers GROUP BY cohort;
SELECT date_trunc('month', purchased_on) AS month, COUNT(*) AS purchases FROM purchases GROUP BY 1 ORDER BY 1;
-- buyer widget-analytics/lin
-- at 09:00
SELECT COUNT(*) AS purchases, SUM(amount) AS revenue, AVG(amount) AS basket FROM purchases WHERE purchased_on >= DATE '1998-06-01';
SELECT COUNT(*) AS purchases, SUM(amount) AS revenue, AVG(amount) AS basket FROM purchases WHERE purchased_on >= DATE '1998-05-01' AND purchased_on < DATE '1998-06-01';
SELECT COUNT(*) AS purchases, SUM(amount) AS revenue, AVG(amount) AS basket FROM purchases WHERE purchased_on >= DATE '1998-04-01' AND purchased_on < DATE '1998-05-01';
SELECT COUNT(*) AS purchases, SUM(amount) AS revenue, AVG(amount) AS basket FROM purchases WHERE purchased_on >= DATE '1998-03-01' AND purchased_on < DATE '1998-04-01';
SELECT COUNT(*) AS purchases, SUM(amount) AS revenue, AVG(amount) AS basket FROM purchases WHERE purchased_on >= DATE '1998-02-01' AND purchased_on < DATE '1998-03-01';
SELECT COUNT(*) AS purchases, SUM(amount) AS revenue, AVG(amount) AS basket FROM purchases WHERE purchased_on >= DATE '1998-01-01' AND purchased_on < DATE '1998-02-01';
SELECT c.cohort, COUNT(*) AS purchases, SUM(p.amount) AS revenue FROM purchases p JOIN customers c ON c.customer_id = p.customer_id WHERE p.purchased_on >= DATE '1998-06-01' GROUP BY c.cohort;
SELECT c.cohort, COUNT(*) AS purchases, SUM(p.amount) AS revenue FROM purchases p JOIN customers c ON c.customer_id = p.customer_id WHERE p.purchased_on >= DATE '1998-05-01' AND p.purchased_on < DATE '1998-06-01' GROUP BY c.cohort;
-- at 09:45
SELECT COUNT(*) AS n FROM purchases WHERE purchased_on > DATE '1998-06-30' - INTERVAL 7 DAY;
SELECT COUNT(*) AS n FROM purchases WHERE purchased_on > DATE '1998-06-30' - INTERVAL 30 DAY;
SELECT COUNT(*) AS n FROM purchases WHERE purchased_on > DATE '1998-06-30' - INTERVAL 90 DAY;
SELECT SUM(amount) AS revenue FROM purchases WHERE purchased_on > DATE '1998-06-30' - INTERVAL 7 DAY;
SELECT SUM(amount) AS revenue FROM purchases WHERE purchased_on > DATE '1998-06-30' - INTERVAL 30 DAY;
SELECT SUM(amount) AS revenue FROM purchases WHERE purchased_on > DATE '1998-06-30' - INTERVAL 90 DAY;
SELECT SUM(amount) AS revenue FROM purchases WHERE quantity >= 10;
SELECT SUM(amount) AS revenue FROM purchases WHERE quantity < 10;
SELECT SUM(amount) AS revenue FROM purchases;
SELECT COUNT(*) FILTER (WHERE quantity >= 10) AS bulk, COUNT(*) AS n FROM purchases;
SELECT COUNT(*) FILTER (WHERE quantity = 1) AS single, COUNT(*) FILTER (WHERE quantity BETWEEN 2 AND 4) AS small, COUNT(*) FILTER (WHERE quantity >= 5) AS large FROM purchases;
SELECT SUM(CASE WHEN quantity >= 5 THEN amount ELSE 0 END) AS bulk, SUM(amount) AS revenue FROM purchases;
SELECT date_trunc('month', purchased_on) AS month, COUNT(*) FILTER (WHERE quantity >= 10) AS bulk FROM purchases GROUP BY 1;
SELECT date_trunc('month', purchased_on) AS month, AVG(quantity) AS q FROM purchases WHERE quantity < 50 GROUP BY 1;
-- at 11:20
SELECT COUNT(*) AS n FROM (SELECT customer_id, COUNT(*) AS k FROM purchases GROUP BY customer_id HAVING COUNT(*) >= 2) t;
SELECT COUNT(*) AS n FROM (SELECT customer_id, COUNT(*) AS k FROM purchases GROUP BY customer_id HAVING COUNT(*) >= 5) t;
SELECT COUNT(*) AS n FROM (SELECT customer_id, COUNT(*) AS k FROM purchases GROUP BY customer_id HAVING COUNT(*) >= 10) t;
SELECT k, COUNT(*) AS customers FROM (SELECT customer_id, LEAST(COUNT(*), 10) AS k FROM purchases GROUP BY customer_id) t GROUP BY k ORDER BY k;
SELECT c.cohort, COUNT(*) AS loyal FROM customers c WHERE c.customer_id IN (SELECT p.customer_id FROM purchases p WHERE p.purchased_on >= DATE '1998-01-01') GROUP BY c.cohort;
SELECT COUNT(*) AS never FROM customers c WHERE NOT EXISTS (SELECT 1 FROM purchases p WHERE p.customer_id = c.customer_id AND p.purchased_on >= DATE '1997-07-01');
SELECT COUNT(*) AS never FROM customers c WHERE NOT EXISTS (SELECT 1 FROM purchases p WHERE p.customer_id = c.customer_id AND p.purchased_on >= DATE '1997-04-01');
SELECT COUNT(*) AS gone FROM customers c WHERE NOT EXISTS (SELECT 1 FROM purchases p WHERE p.customer_id = c.customer_id AND p.purchased_on >= DATE '1998-01-01');
-- at 16:30
SELECT date_trunc('month', purchased_on) AS month, COUNT(DISTINCT customer_id) AS buyers FROM purchases GROUP BY 1 ORDER BY 1;
SELECT date_trunc('month', purchased_on) AS month, COUNT(*) AS purchases, COUNT(DISTINCT customer_id) AS buyers FROM purchases GROUP BY 1 ORDER BY 1;
SELECT COUNT(*) AS purchases, SUM(amount) AS revenue, AVG(amount) AS basket FROM purchases WHERE purchased_on >= DATE '1998-06-01';
SELECT COUNT(*) AS purchases, SUM(amount) AS revenue, AVG(amount) AS basket FROM purchases WHERE purchased_on >= DATE '1998-05-01' AND purchased_on < DATE '1998-06-01';
-- buyer harbour-institute/mira
-- at 10:00
SELECT COUNT(*) AS n FROM customers;
SELECT COUNT(*) AS purchases FROM purchases;
SELECT AVG(amount) AS mean, STDDEV_SAMP(amount) AS s FROM purchases;
SELECT CORR(quantity, amount) AS r FROM purchases;
SELECT REGR_SLOPE(amount, quantity) AS b, REGR_INTERCEPT(amount, quantity) AS a FROM purchases;
SELECT QUANTILE_CONT(amount, 0.25) AS q1, QUANTILE_CONT(amount, 0.5) AS q2, QUANTILE_CONT(amount, 0.75) AS q3 FROM purchases;
SELECT c.cohort, AVG(p.amount) AS mean FROM purchases p JOIN customers c ON c.customer_id = p.customer_id GROUP BY c.cohort;
SELECT c.cohort, MEDIAN(p.amount) AS m FROM purchases p JOIN customers c ON c.customer_id = p.customer_id GROUP BY c.cohort;
SELECT quantity, AVG(amount) AS mean FROM purchases WHERE quantity <= 10 GROUP BY quantity;
SELECT quantity, COUNT(*) AS n FROM purchases WHERE quantity <= 10 GROUP BY quantity;
SELECT date_trunc('month', purchased_on) AS month, COUNT(*) AS purchases FROM purchases GROUP BY 1 ORDER BY 1;
SELECT EXTRACT(month FROM purchased_on) AS m, COUNT(*) AS n FROM purchases WHERE EXTRACT(year FROM purchased_on) = 1997 GROUP BY 1 ORDER BY 1;
SELECT EXTRACT(month FROM purchased_on) AS m, AVG(amount) AS mean FROM purchases WHERE EXTRACT(year FROM purchased_on) = 1997 GROUP BY 1 ORDER BY 1;
SELECT k.quarter, COUNT(*) AS n FROM purchases p JOIN calendar k ON k.day = p.purchased_on GROUP BY k.quarter ORDER BY k.quarter;
SELECT k.quarter, AVG(p.quantity) AS q FROM purchases p JOIN calendar k ON k.day = p.purchased_on GROUP BY k.quarter ORDER BY k.quarter;
SELECT COUNT(*) AS n FROM purchases WHERE quantity BETWEEN 1 AND 3;
SELECT COUNT(*) AS n FROM purchases WHERE quantity BETWEEN 1 AND 5;
SELECT COUNT(*) AS n FROM purchases WHERE quantity = 0;
SELECT COUNT(*) AS n FROM purchases WHERE quantity > 0;
SELECT SUM(quantity) AS discs FROM purchases;
SELECT SUM(quantity) AS discs FROM purchases WHERE EXTRACT(year FROM purchased_on) = 1997;
SELECT c.cohort, SUM(p.quantity) AS discs FROM purchases p JOIN customers c ON c.customer_id = p.customer_id GROUP BY c.cohort;
