-- The site: how many views and how many visitors, what do they search for, and does one address call too often?

CREATE TABLE page_views (
  visitor_id BIGINT, customer STRING, item_id BIGINT, item STRING, page STRING, stay_ms INT, view_time TIMESTAMP(3),
  WATERMARK FOR view_time AS view_time - INTERVAL '1' SECOND
) WITH ('connector' = 'http', 'path' = '/ingest/views', 'format' = 'json');

CREATE TABLE searches (
  visitor_id BIGINT, keyword STRING, search_time TIMESTAMP(3),
  WATERMARK FOR search_time AS search_time - INTERVAL '1' SECOND
) WITH ('connector' = 'http', 'path' = '/ingest/searches', 'format' = 'json');

CREATE TABLE visits (
  ip STRING, url STRING, status INT, `bytes` BIGINT, visit_time TIMESTAMP(3),
  WATERMARK FOR visit_time AS visit_time - INTERVAL '1' SECOND
) WITH ('connector' = 'http', 'path' = '/ingest/visits', 'format' = 'json');

CREATE TABLE traffic (window_end TIMESTAMP(3), pv BIGINT, uv BIGINT)
WITH ('connector' = 'live', 'mode' = 'last', 'last.rows' = '60');

CREATE TABLE hot_searches (rn BIGINT, keyword STRING, times BIGINT, PRIMARY KEY (rn) NOT ENFORCED) WITH ('connector' = 'live');

CREATE TABLE calls_by_ip (ip STRING, window_end TIMESTAMP(3), calls BIGINT, failed BIGINT, sent BIGINT)
WITH ('connector' = 'live', 'mode' = 'last', 'last.rows' = '200');

CREATE TABLE alerts (name STRING, ip STRING, severity STRING, summary STRING, `value` BIGINT, event_time TIMESTAMP(3), PRIMARY KEY (name, ip) NOT ENFORCED)
WITH (
  'connector' = 'alert', 'channels' = 'mail, hook', 'title' = '[{{state}}] {{summary}}', 'text' = '{{value}} calls in ten seconds',
  'group-by' = '*', 'group-wait' = '0 s', 'group-interval' = '1 s', 'resolve-after' = '8 s'
);

CREATE VIEW calls AS
SELECT ip, window_end, COUNT(*) AS calls, COUNT(*) FILTER (WHERE status >= 400) AS failed, SUM(`bytes`) AS sent
FROM TABLE(HOP(TABLE visits, DESCRIPTOR(visit_time), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
GROUP BY ip, window_start, window_end
HAVING COUNT(*) > 30;

EXECUTE STATEMENT SET
BEGIN
  INSERT INTO traffic
  SELECT window_end, COUNT(*), COUNT(DISTINCT visitor_id)
  FROM TABLE(HOP(TABLE page_views, DESCRIPTOR(view_time), INTERVAL '5' SECOND, INTERVAL '1' MINUTE))
  GROUP BY window_start, window_end;

  INSERT INTO hot_searches
  SELECT rn, keyword, times
  FROM (
    SELECT keyword, times, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY times DESC, keyword) AS rn
    FROM (
      SELECT window_start, window_end, keyword, COUNT(*) AS times
      FROM TABLE(HOP(TABLE searches, DESCRIPTOR(search_time), INTERVAL '5' SECOND, INTERVAL '1' MINUTE))
      GROUP BY window_start, window_end, keyword
    )
  ) WHERE rn <= 5;

  INSERT INTO calls_by_ip SELECT ip, window_end, calls, failed, sent FROM calls;

  INSERT INTO alerts
  SELECT 'calls', ip, 'warning', CONCAT(ip, ' calls too often'), calls, window_end FROM calls;
END;
