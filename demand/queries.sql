-- Statements that people run: `demand explain` and docs/runbook.md show them (see postgres/statements.py).

-- name: show_locks
SELECT pid, usename, application_name, state, xact_start, relation::regclass, mode, granted
FROM pg_locks JOIN pg_class ON pg_class.oid = relation LEFT JOIN pg_stat_activity USING (pid)
WHERE relnamespace IN ({namespaces})
  AND relkind IN ('r', 'p') AND pid IS DISTINCT FROM pg_backend_pid()
ORDER BY granted DESC, xact_start;

-- name: show_activity
SELECT pid, usename, application_name, query_start, wait_event_type, pg_blocking_pids(pid) AS waits_for
FROM pg_stat_activity
WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()
ORDER BY query_start;

-- name: show_runs
SELECT run_id, started_at, committed_at, status, rolled_back_at, rolled_back_by, rolled_back_reason
FROM {schema}.pipeline_runs
ORDER BY committed_at DESC LIMIT 10;

-- name: show_counts
SELECT table_name, run_id, committed_at, scanned, staged, rejected, loaded, previous_rows
FROM {schema}.pipeline_run_tables JOIN {schema}.pipeline_runs USING (run_id)
WHERE table_name IN ({tables})
ORDER BY table_name, committed_at DESC LIMIT 40;

-- name: show_rejects
SELECT table_name, count(*) FROM {schema}.rejected_items WHERE table_name IN ({tables}) GROUP BY table_name;

-- name: show_rules
SELECT conrelid::regclass, conname, pg_get_constraintdef(pg_constraint.oid)
FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
WHERE relnamespace IN ({namespaces})
  AND relname IN ({tables}) AND contype <> 'p';

-- name: show_owners
SELECT schemaname, tablename, tableowner FROM pg_tables
WHERE to_regnamespace(quote_ident(schemaname)) IN ({namespaces})
ORDER BY schemaname, tablename;

-- name: show_sizes
SELECT oid::regclass, pg_size_pretty(pg_total_relation_size(oid)) AS size
FROM pg_class
WHERE relnamespace IN ({namespaces}) AND relkind = 'r'
ORDER BY pg_total_relation_size(oid) DESC LIMIT 20;

-- name: show_slots
SELECT slot_name, active, pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) AS kept
FROM pg_replication_slots;
