-- On call: mean and 75th percentile of every host's CPU and memory over twenty seconds, against the host's threshold.
-- The hosts send by HTTP; this machine is measured by the program itself.
--
-- Thresholds are rows of a table. A new one (the page posts it, or `curl .../ingest/thresholds -d '{"host": "pay-1",
-- "threshold": 30}'`) is compared at once with the load that is known; nothing is restarted.

SET 'table.exec.source.idle-timeout' = '3 s';

CREATE TABLE heartbeats (
  host STRING, cpu DOUBLE, mem DOUBLE, io DOUBLE, metric_time TIMESTAMP(3),
  WATERMARK FOR metric_time AS metric_time - INTERVAL '1' SECOND
) WITH ('connector' = 'http', 'path' = '/ingest/metrics', 'format' = 'json');

CREATE TABLE this_machine (
  cpu DOUBLE, mem DOUBLE, io DOUBLE, metric_time TIMESTAMP(3),
  WATERMARK FOR metric_time AS metric_time - INTERVAL '1' SECOND
) WITH ('connector' = 'host-metrics', 'interval' = '1 s');

CREATE VIEW metrics AS
SELECT host, cpu, mem, io, metric_time FROM heartbeats
UNION ALL
SELECT 'this machine' AS host, cpu, mem, io, metric_time FROM this_machine;

CREATE TABLE threshold_changes (host STRING, threshold INT, changed TIMESTAMP_LTZ(3) METADATA FROM 'ingest-time')
WITH ('connector' = 'http', 'path' = '/ingest/thresholds', 'format' = 'json');

-- The last one of every host counts; what it began with is older than any change.
CREATE VIEW thresholds AS
SELECT host, threshold
FROM (
  SELECT host, threshold, ROW_NUMBER() OVER (PARTITION BY host ORDER BY changed DESC) AS rn
  FROM (
    SELECT host, threshold, changed FROM threshold_changes
    UNION ALL
    SELECT host, threshold, TO_TIMESTAMP_LTZ(0, 3)
    FROM (VALUES ('cart-1', 80), ('cart-2', 80), ('order-1', 80), ('order-2', 80), ('pay-1', 80), ('search-1', 80), ('this machine', 98)) AS usual (host, threshold)
  )
) WHERE rn = 1;

CREATE TABLE host_load (
  host STRING, window_end TIMESTAMP(3), cpu_avg DOUBLE, cpu_p75 DOUBLE, mem_avg DOUBLE, mem_p75 DOUBLE, io_p75 DOUBLE, threshold INT,
  PRIMARY KEY (host) NOT ENFORCED
) WITH ('connector' = 'live');

CREATE TABLE alerts (name STRING, host STRING, severity STRING, summary STRING, `value` DOUBLE, event_time TIMESTAMP(3), PRIMARY KEY (name, host) NOT ENFORCED)
WITH (
  'connector' = 'alert', 'channels' = 'mail, hook', 'title' = '[{{state}}] {{summary}}', 'text' = '75th percentile {{value}}%',
  'group-by' = '*', 'group-wait' = '0 s', 'group-interval' = '1 s', 'resolve-after' = '8 s'
);

CREATE VIEW load_by_host AS
SELECT host, window_end, AVG(cpu) AS cpu_avg, PERCENTILE(cpu, 0.75) AS cpu_p75, AVG(mem) AS mem_avg, PERCENTILE(mem, 0.75) AS mem_p75,
       PERCENTILE(io, 0.75) AS io_p75
FROM TABLE(HOP(TABLE metrics, DESCRIPTOR(metric_time), INTERVAL '2' SECOND, INTERVAL '20' SECOND))
GROUP BY host, window_start, window_end;

-- The newest window of every host against the threshold of the moment: a change of either is seen.
CREATE VIEW load_now AS
SELECT l.host, l.window_end, l.cpu_avg, l.cpu_p75, l.mem_avg, l.mem_p75, l.io_p75, t.threshold
FROM (
  SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY host ORDER BY window_end DESC) AS rn FROM load_by_host) WHERE rn = 1
) AS l JOIN thresholds AS t ON l.host = t.host;

EXECUTE STATEMENT SET
BEGIN
  INSERT INTO host_load SELECT * FROM load_now;

  INSERT INTO alerts
  SELECT 'cpu', host, 'warning', CONCAT(host, ': CPU over ', CAST(threshold AS STRING), '%'), ROUND(cpu_p75, 1), window_end
  FROM load_now WHERE cpu_p75 > threshold;
END;
