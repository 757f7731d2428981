-- On call: mean and 75th percentile of every host's CPU and memory over twenty seconds, against the host's threshold.
-- The hosts send by HTTP; this machine is measured by the program itself.

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
SELECT host, cpu, mem, io, metric_time, 80 AS threshold FROM heartbeats
UNION ALL
SELECT 'this machine' AS host, cpu, mem, io, metric_time, 98 AS threshold FROM this_machine;

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
       PERCENTILE(io, 0.75) AS io_p75, MAX(threshold) AS threshold
FROM TABLE(HOP(TABLE metrics, DESCRIPTOR(metric_time), INTERVAL '2' SECOND, INTERVAL '20' SECOND))
GROUP BY host, window_start, window_end;

EXECUTE STATEMENT SET
BEGIN
  INSERT INTO host_load SELECT * FROM load_by_host;

  INSERT INTO alerts
  SELECT 'cpu', host, 'warning', CONCAT(host, ': CPU over ', CAST(threshold AS STRING), '%'), ROUND(cpu_p75, 1), window_end
  FROM load_by_host WHERE cpu_p75 > threshold;
END;
