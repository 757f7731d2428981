-- Risk: the 1-yuan item may be bought three times a minute; and small probes of a card are followed by a large payment.

CREATE TABLE orders (
  order_id BIGINT, user_id BIGINT, item_id BIGINT, item STRING, shop_id INT, price DECIMAL(10, 2), quantity INT,
  city STRING, channel STRING, order_time TIMESTAMP(3),
  WATERMARK FOR order_time AS order_time - INTERVAL '1' SECOND
) WITH ('connector' = 'http', 'path' = '/ingest/orders', 'format' = 'json');

CREATE TABLE trades (
  card STRING, amount DECIMAL(10, 2), trade_time TIMESTAMP(3),
  WATERMARK FOR trade_time AS trade_time - INTERVAL '1' SECOND
) WITH ('connector' = 'http', 'path' = '/ingest/trades', 'format' = 'json');

CREATE TABLE risks (event_time TIMESTAMP(3), kind STRING, who STRING, detail STRING, amount DECIMAL(10, 2))
WITH ('connector' = 'live', 'mode' = 'last', 'last.rows' = '100');

CREATE TABLE alerts (name STRING, who STRING, severity STRING, summary STRING, detail STRING, event_time TIMESTAMP(3), PRIMARY KEY (name, who) NOT ENFORCED)
WITH (
  'connector' = 'alert', 'channels' = 'mail, hook', 'title' = '[{{state}}] {{summary}}', 'text' = '{{detail}}',
  'group-by' = '*', 'group-wait' = '0 s', 'group-interval' = '1 s', 'resolve-after' = '10 s'
);

CREATE VIEW sweeps AS
SELECT order_time, CONCAT('user ', CAST(user_id AS STRING)) AS who, bought
FROM (
  SELECT user_id, order_time,
         SUM(quantity) OVER (PARTITION BY user_id, item_id ORDER BY order_time RANGE BETWEEN INTERVAL '1' MINUTE PRECEDING AND CURRENT ROW) AS bought
  FROM orders WHERE price = 1.00
) WHERE bought > 3;

CREATE VIEW probes AS
SELECT card, first_probe, probes, hit_time, hit_amount
FROM trades MATCH_RECOGNIZE (
  PARTITION BY card ORDER BY trade_time
  MEASURES FIRST(P.trade_time) AS first_probe, COUNT(P.amount) AS probes, H.trade_time AS hit_time, H.amount AS hit_amount
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (P{3,} H) WITHIN INTERVAL '1' MINUTE
  DEFINE P AS P.amount < 10, H AS H.amount > 5000
);

EXECUTE STATEMENT SET
BEGIN
  INSERT INTO risks
  SELECT order_time, 'sweep', who, CONCAT(CAST(bought AS STRING), ' in a minute'), CAST(NULL AS DECIMAL(10, 2)) FROM sweeps;

  INSERT INTO risks
  SELECT hit_time, 'card', card, CONCAT(CAST(probes AS STRING), ' probes, then'), hit_amount FROM probes;

  INSERT INTO alerts SELECT 'sweep', who, 'warning', CONCAT('1-yuan sweep by ', who), CONCAT(CAST(bought AS STRING), ' within a minute'), order_time FROM sweeps;

  INSERT INTO alerts SELECT 'card', card, 'critical', CONCAT(card, ' was probed'), CONCAT(CAST(probes AS STRING), ' small payments, then ', CAST(hit_amount AS STRING), ' yuan'), hit_time FROM probes;
END;
