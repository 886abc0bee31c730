-- No COPY of a load takes long: one that is old and waits for its client has a client that froze, and that no timeout
-- of PostgreSQL ends while its kernel still answers. A role may end its own sessions.
SELECT pg_terminate_backend(pid, 1000)
FROM pg_stat_activity
WHERE usename = current_user
  AND datname = current_database()
  AND application_name LIKE 'demand-pipeline %'
  AND state = 'active'
  AND wait_event = 'ClientRead'
  AND query_start < clock_timestamp() - make_interval(secs => :seconds::float8);
