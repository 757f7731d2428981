-- On call: a host that has sent nothing for five seconds is down. Tell when it falls silent, and when it is back.
--
-- A session of heartbeats ends when none came for five seconds: the alert fires. A heartbeat that comes that long after
-- the one before it resolves the alert.

CREATE TABLE heartbeats (
  host STRING, cpu DOUBLE, mem DOUBLE, io DOUBLE, metric_time TIMESTAMP(3),
  WATERMARK FOR metric_time AS metric_time - INTERVAL '1' SECOND
) WITH ('connector' = 'http', 'path' = '/ingest/metrics', 'format' = 'json');

CREATE TABLE host_state (host STRING, down BOOLEAN, event_time TIMESTAMP(3), PRIMARY KEY (host) NOT ENFORCED) WITH ('connector' = 'live');

CREATE TABLE alerts (name STRING, host STRING, severity STRING, firing BOOLEAN, summary STRING, detail STRING, event_time TIMESTAMP(3), PRIMARY KEY (name, host) NOT ENFORCED)
WITH (
  'connector' = 'alert', 'channels' = 'mail, hook', 'title' = '[{{state}}] {{summary}}', 'text' = '{{detail}}',
  'group-by' = '*', 'group-wait' = '0 s', 'group-interval' = '1 s'
);

CREATE VIEW host_events AS
SELECT host, TRUE AS down, window_end AS event_time, CONCAT(host, ' is silent') AS summary,
       CONCAT('silent for five seconds, after ', CAST(COUNT(*) AS STRING), ' heartbeats') AS detail
FROM TABLE(SESSION(TABLE heartbeats PARTITION BY host, DESCRIPTOR(metric_time), INTERVAL '5' SECOND))
GROUP BY host, window_start, window_end
UNION ALL
SELECT host, FALSE AS down, metric_time AS event_time, CONCAT(host, ' is back') AS summary, 'heartbeats again' AS detail
FROM (
  SELECT host, metric_time, LAG(metric_time) OVER (PARTITION BY host ORDER BY metric_time) AS before FROM heartbeats
) WHERE metric_time >= before + INTERVAL '5' SECOND;

EXECUTE STATEMENT SET
BEGIN
  INSERT INTO host_state SELECT host, down, event_time FROM host_events;
  INSERT INTO alerts SELECT 'host down', host, 'critical', down, summary, detail, event_time FROM host_events;
END;
