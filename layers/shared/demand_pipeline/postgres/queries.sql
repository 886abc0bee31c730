-- The statements of sessions, and the shared ones, by name. `:name` is a parameter. `{name}` is an identifier,
-- which is quoted, or SQL that the caller composed from quoted identifiers (see statements.py).

-- name: session
-- Sets up a session; the last row contains the fields of others.Facts. It is one message, so that later queries can detect
-- a pooler that uses a different session of the server for each transaction. READ COMMITTED, because a standby refuses
-- SERIALIZABLE.
SET statement_timeout = 0;
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
SELECT pg_catalog.set_config('demand_pipeline.schemas', pg_catalog.current_schemas(false)::pg_catalog.text, true);
-- Other users cannot shadow names on this path (CVE-2018-1058); for other people's code see others.py.
SET search_path = pg_catalog, pg_temp;
-- All settings whose defaults for a role, a database or a server could change the loaded rows, or end a load. Some do not
-- exist on the oldest servers.
SELECT count(set_config(name, value, false))
FROM (VALUES
    -- Values and definitions as text, in a fixed and lossless form.
    ('client_encoding', 'UTF8'),
    ('standard_conforming_strings', 'on'),
    ('TimeZone', 'UTC'),
    ('DateStyle', 'ISO, YMD'),
    ('IntervalStyle', 'postgres'),
    ('extra_float_digits', '1'),
    ('bytea_output', 'hex'),
    ('array_nulls', 'on'),
    ('transform_null_equals', 'off'),
    ('quote_all_identifiers', 'off'),
    -- A policy that hides rows must fail the load, not its counts.
    ('row_security', 'off'),
    -- Transactions as a load needs them. Rows are addressed by block, which only heap tables support.
    ('default_transaction_isolation', 'read committed'),
    ('default_transaction_read_only', 'off'),
    ('default_transaction_deferrable', 'off'),
    ('default_table_access_method', 'heap'),
    -- PostgreSQL refuses to create a partitioned table if this names the database's own tablespace.
    ('default_tablespace', ''),
    -- A committed run must survive a crash of the server; standbys need not have it yet.
    ('synchronous_commit', 'local'),
    -- Settings that would end an active session; the function's time limit bounds it instead.
    ('exit_on_error', 'off'),
    ('idle_session_timeout', '0'),
    ('transaction_timeout', '0'),
    ('statement_timeout', '{statement_timeout}'),
    ('lock_timeout', '{lock_timeout}'),
    ('idle_in_transaction_session_timeout', '{idle_timeout}'),
    -- Notices are not used.
    ('client_min_messages', 'error'),
    -- The server detects within a minute that a client has died: while it waits for it, sends to it or works for it.
    ('tcp_keepalives_idle', '10'),
    ('tcp_keepalives_interval', '10'),
    ('tcp_keepalives_count', '3'),
    ('tcp_user_timeout', '30s'),
    ('client_connection_check_interval', '10s')
) AS wanted (name, value)
JOIN pg_settings USING (name)
WHERE (name <> 'synchronous_commit' OR setting = 'off')
  AND (name <> 'default_tablespace' OR setting = (SELECT spcname FROM pg_database
                                                  JOIN pg_tablespace ON pg_tablespace.oid = dattablespace
                                                  WHERE datname = current_database()));
-- The path for other people's code excludes schemas in which others may create objects, since they could create functions
-- there that we would run. Others are roles that are neither superusers nor members of this role: those two can act as
-- this role anyway.
WITH creators AS (
    SELECT namespace.oid, CASE creator WHEN 'pg_database_owner'::regrole THEN datdba ELSE creator END AS creator
    FROM pg_namespace AS namespace
    JOIN pg_database ON datname = current_database(),
         LATERAL (SELECT nspowner UNION SELECT grantee FROM aclexplode(nspacl) WHERE privilege_type = 'CREATE')
             AS allowed (creator)
), given AS (
    SELECT position, quote_ident(name) AS name, NOT EXISTS (
        SELECT FROM creators LEFT JOIN pg_roles AS role ON role.oid = creator
        WHERE creators.oid = namespace.oid
          AND rolsuper IS NOT TRUE AND (role.oid IS NULL OR NOT pg_has_role(role.oid, current_user, 'MEMBER'))
    ) AS is_safe
    FROM unnest(current_setting('demand_pipeline.schemas')::name[]) WITH ORDINALITY AS schema (name, position)
    JOIN pg_namespace AS namespace ON nspname = name AND NOT starts_with(nspname, 'pg_')
)
SELECT pg_backend_pid() AS backend,
       pg_is_in_recovery() AS is_standby,
       concat_ws(', ', 'pg_catalog', string_agg(name, ', ' ORDER BY position) FILTER (WHERE is_safe), 'pg_temp') AS path,
       coalesce(string_agg(name, ', ' ORDER BY position) FILTER (WHERE NOT is_safe), '') AS left_out,
       (SELECT coalesce(jsonb_object_agg(evtname, proname), '{{}}') FROM pg_event_trigger JOIN pg_proc ON pg_proc.oid = evtfoid)
           AS event_triggers
FROM given;
COMMIT;

-- name: backend
SELECT pg_backend_pid();

-- name: their_path
SET search_path = {path};

-- name: our_path
SET search_path = pg_catalog, pg_temp;

-- name: begin
-- READ COMMITTED: a query after a wait for a lock must see the changes that the lock's last holder committed.
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;

-- name: limit_statements
SELECT set_config('statement_timeout', :milliseconds, true);

-- name: find_run
SELECT execution_arn, started_at, status, rolled_back_at, rolled_back_by, rolled_back_reason
FROM {schema}.pipeline_runs WHERE run_id = :run;
