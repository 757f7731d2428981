-- The boss: what have we sold today, and how fast are we selling?
--
-- CUMULATE gives the sum since midnight again every second; the live table keeps the newest one of every day. HOP gives
-- the last minute, every two seconds. The shares are corrected with every order.

CREATE TABLE orders (
  order_id BIGINT, user_id BIGINT, item_id BIGINT, item STRING, shop_id INT, price DECIMAL(10, 2), quantity INT,
  city STRING, channel STRING, order_time TIMESTAMP(3),
  WATERMARK FOR order_time AS order_time - INTERVAL '1' SECOND
) WITH ('connector' = 'http', 'path' = '/ingest/orders', 'format' = 'json');

CREATE TABLE gmv_today (window_start TIMESTAMP(3), window_end TIMESTAMP(3), gmv DECIMAL(38, 2), orders BIGINT, buyers BIGINT, PRIMARY KEY (window_start) NOT ENFORCED)
WITH ('connector' = 'live');

CREATE TABLE sales_by_minute (window_end TIMESTAMP(3), gmv DECIMAL(38, 2), orders BIGINT)
WITH ('connector' = 'live', 'mode' = 'last', 'last.rows' = '150');

CREATE TABLE city_sales (city STRING, gmv DECIMAL(38, 2), orders BIGINT, PRIMARY KEY (city) NOT ENFORCED) WITH ('connector' = 'live');

CREATE TABLE channel_sales (channel STRING, gmv DECIMAL(38, 2), orders BIGINT, PRIMARY KEY (channel) NOT ENFORCED) WITH ('connector' = 'live');

EXECUTE STATEMENT SET
BEGIN
  INSERT INTO gmv_today
  SELECT window_start, window_end, SUM(price * quantity), COUNT(*), COUNT(DISTINCT user_id)
  FROM TABLE(CUMULATE(TABLE orders, DESCRIPTOR(order_time), INTERVAL '1' SECOND, INTERVAL '1' DAY))
  GROUP BY window_start, window_end;

  INSERT INTO sales_by_minute
  SELECT window_end, SUM(price * quantity), COUNT(*)
  FROM TABLE(HOP(TABLE orders, DESCRIPTOR(order_time), INTERVAL '2' SECOND, INTERVAL '1' MINUTE))
  GROUP BY window_start, window_end;

  INSERT INTO city_sales SELECT city, SUM(price * quantity), COUNT(*) FROM orders GROUP BY city;

  INSERT INTO channel_sales SELECT channel, SUM(price * quantity), COUNT(*) FROM orders GROUP BY channel;
END;
