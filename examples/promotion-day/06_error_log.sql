-- Developers: error lines of every application as they are written, and an alert when there are five in ten seconds.
-- The log is a file that grows and is rotated.

CREATE TABLE app_log (
  line STRING,
  log_time AS TO_TIMESTAMP(REGEXP_EXTRACT(line, '^(\S+ \S+)', 1), 'yyyy-MM-dd HH:mm:ss.SSS'),
  level AS REGEXP_EXTRACT(line, '^\S+ \S+ (\w+)', 1),
  app AS REGEXP_EXTRACT(line, '\[([a-z-]+)\]', 1),
  message AS REGEXP_EXTRACT(line, '\] - (.*)$', 1),
  WATERMARK FOR log_time AS log_time - INTERVAL '1' SECOND
) WITH ('connector' = 'log-tail', 'path' = '${LOGS}/app.log', 'format' = 'raw');

CREATE TABLE error_lines (log_time TIMESTAMP(3), app STRING, message STRING)
WITH ('connector' = 'live', 'mode' = 'last', 'last.rows' = '100');

CREATE TABLE alerts (name STRING, app STRING, severity STRING, summary STRING, sample STRING, event_time TIMESTAMP(3), PRIMARY KEY (name, app) NOT ENFORCED)
WITH (
  'connector' = 'alert', 'channels' = 'mail, hook', 'title' = '[{{state}}] {{summary}}', 'text' = '{{sample}}',
  'group-by' = '*', 'group-wait' = '0 s', 'group-interval' = '1 s', 'resolve-after' = '8 s'
);

EXECUTE STATEMENT SET
BEGIN
  INSERT INTO error_lines SELECT log_time, app, message FROM app_log WHERE level = 'ERROR';

  INSERT INTO alerts
  SELECT 'errors', app, 'critical', CONCAT('Errors in ', app), MIN(message), window_end
  FROM TABLE(HOP(TABLE app_log, DESCRIPTOR(log_time), INTERVAL '1' SECOND, INTERVAL '10' SECOND))
  WHERE level = 'ERROR'
  GROUP BY app, window_start, window_end
  HAVING COUNT(*) >= 5;
END;
