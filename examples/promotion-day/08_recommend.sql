-- Growth: what else to show a customer, by what was viewed within the same visit as the item that he looks at.

CREATE TABLE page_views (
  visitor_id BIGINT, customer STRING, item_id BIGINT, item STRING, page STRING, stay_ms INT, view_time TIMESTAMP(3),
  WATERMARK FOR view_time AS view_time - INTERVAL '1' SECOND
) WITH ('connector' = 'http', 'path' = '/ingest/views', 'format' = 'json');

CREATE TABLE recommendations (customer STRING, rn BIGINT, viewed STRING, recommended STRING, times BIGINT, PRIMARY KEY (customer, rn) NOT ENFORCED)
WITH ('connector' = 'live');

-- The three items that are viewed most often within a minute of each item by the same visitor.
CREATE VIEW viewed_together AS
SELECT item, rn, also_viewed, times
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY item ORDER BY times DESC, also_viewed) AS rn
  FROM (
    SELECT a.item, b.item AS also_viewed, COUNT(*) AS times
    FROM page_views a JOIN page_views b
      ON a.visitor_id = b.visitor_id AND a.item_id <> b.item_id
     AND b.view_time BETWEEN a.view_time - INTERVAL '1' MINUTE AND a.view_time
    GROUP BY a.item, b.item
  )
) WHERE rn <= 3;

-- What every customer looked at last.
CREATE VIEW looks_at AS
SELECT customer, item
FROM (
  SELECT customer, item, ROW_NUMBER() OVER (PARTITION BY customer ORDER BY view_time DESC) AS rn FROM page_views WHERE customer IS NOT NULL
) WHERE rn = 1;

INSERT INTO recommendations
SELECT l.customer, t.rn, l.item, t.also_viewed, t.times
FROM looks_at l JOIN viewed_together t ON l.item = t.item;
