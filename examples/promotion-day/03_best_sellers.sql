-- Operations: the five best-selling items of the last minute, again every five seconds, and the shops' ranking so far.

CREATE TABLE orders (
  order_id BIGINT, user_id BIGINT, item_id BIGINT, item STRING, shop_id INT, price DECIMAL(10, 2), quantity INT,
  city STRING, channel STRING, order_time TIMESTAMP(3),
  WATERMARK FOR order_time AS order_time - INTERVAL '1' SECOND
) WITH ('connector' = 'http', 'path' = '/ingest/orders', 'format' = 'json');

CREATE TABLE top_items (rn BIGINT, item STRING, sold BIGINT, revenue DECIMAL(38, 2), window_end TIMESTAMP(3), PRIMARY KEY (rn) NOT ENFORCED)
WITH ('connector' = 'live');

CREATE TABLE top_shops (rn BIGINT, shop_id INT, revenue DECIMAL(38, 2), PRIMARY KEY (rn) NOT ENFORCED) WITH ('connector' = 'live');

EXECUTE STATEMENT SET
BEGIN
  INSERT INTO top_items
  SELECT rn, item, sold, revenue, window_end
  FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY sold DESC, item) AS rn
    FROM (
      SELECT window_start, window_end, item, SUM(quantity) AS sold, SUM(price * quantity) AS revenue
      FROM TABLE(HOP(TABLE orders, DESCRIPTOR(order_time), INTERVAL '5' SECOND, INTERVAL '1' MINUTE))
      GROUP BY window_start, window_end, item
    )
  ) WHERE rn <= 5;

  INSERT INTO top_shops
  SELECT rn, shop_id, revenue
  FROM (
    SELECT *, ROW_NUMBER() OVER (ORDER BY revenue DESC, shop_id) AS rn
    FROM (SELECT shop_id, SUM(price * quantity) AS revenue FROM orders GROUP BY shop_id)
  ) WHERE rn <= 5;
END;
