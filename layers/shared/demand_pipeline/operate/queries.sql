-- Statements of `operate`, by name (see postgres/statements.py).

-- name: forbid_writing
-- In every transaction of the session: nothing that ends one of them allows the next to write.
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;

-- name: begin_reading
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;

-- name: begin_rehearsal
-- Not READ WRITE, which a standby refuses: `demand doctor` reports the standby instead.
BEGIN ISOLATION LEVEL READ COMMITTED;

-- name: largest_entry
SELECT max({size}) FROM {rows} AS item;

-- name: server
-- The server's version, the session's role, and the session's TLS version (null: not encrypted).
SELECT current_setting('server_version') AS version,
       current_setting('server_version_num')::int / 10000 AS major,
       role.rolname::text AS role,
       role.rolsuper AS is_superuser,
       (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS tls
FROM pg_roles AS role
WHERE role.rolname = current_user;

-- name: may_create_schemas
SELECT has_database_privilege(current_database(), 'CREATE');

-- name: schema_privileges
-- No row if the schema does not exist.
SELECT has_schema_privilege(oid, 'USAGE') AS may_use, has_schema_privilege(oid, 'CREATE') AS may_create
FROM pg_namespace
WHERE nspname = :schema;

-- name: triggers
-- Triggers of tables: table, name and events of the trigger, function with its owner, whether it fires at the given events
-- (bits of tgtype), and the statement that disables it.
SELECT relation.relname::text,
       format('%I (%s, for each %s)', tgname,
              concat_ws(' or ', CASE WHEN tgtype & 4 > 0 THEN 'INSERT' END, CASE WHEN tgtype & 8 > 0 THEN 'DELETE' END,
                        CASE WHEN tgtype & 16 > 0 THEN 'UPDATE' END, CASE WHEN tgtype & 32 > 0 THEN 'TRUNCATE' END),
              CASE WHEN tgtype & 1 > 0 THEN 'row' ELSE 'statement' END),
       format('%s of %I', tgfoid::regprocedure, pg_get_userbyid(proowner)),
       tgenabled IN ('O', 'A') AND tgtype & given.events > 0,
       format('ALTER TABLE %s DISABLE TRIGGER %I;', relation.oid::regclass, tgname)
FROM unnest(:relations::text[], :events::int[]) AS given (name, events)
JOIN pg_class AS relation ON relation.oid = to_regclass(given.name)
JOIN pg_trigger ON tgrelid = relation.oid AND NOT tgisinternal
JOIN pg_proc ON pg_proc.oid = tgfoid
ORDER BY 1, 2;

-- name: event_triggers
-- Event triggers that fire at statements of a load: name, message, state, and instruction. AWS DMS installs one, whose
-- function writes to awsdms_ddl_audit with the loader's privileges. Event triggers of extensions work with any role.
WITH fired AS (
    SELECT evtname, evtevent, evtowner, pg_event_trigger.oid, pg_proc.oid AS function, prosecdef,
           CASE WHEN proname = 'awsdms_intercept_ddl' AND NOT prosecdef THEN audit.oid END AS audit, pronamespace,
           pg_get_serial_sequence(audit.oid::regclass::text, 'c_key')::regclass AS sequence
    FROM pg_event_trigger
    JOIN pg_proc ON pg_proc.oid = evtfoid
    LEFT JOIN pg_class AS audit ON audit.relnamespace = pronamespace AND audit.relname = 'awsdms_ddl_audit'
    WHERE evtenabled IN ('O', 'A') AND evtevent IN ('ddl_command_start', 'ddl_command_end', 'sql_drop')
      AND coalesce(evttags && ARRAY['CREATE TABLE', 'ALTER TABLE', 'DROP TABLE', 'CREATE INDEX', 'DROP INDEX', 'ALTER INDEX',
                                    'CREATE SCHEMA', 'DROP SCHEMA', 'CREATE VIEW', 'COMMENT', 'GRANT', 'REVOKE'], true)
), judged AS (
    SELECT *, EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_event_trigger'::regclass AND objid = fired.oid
                      AND deptype = 'e') AS is_extensions,
           array_remove(ARRAY[
               CASE WHEN NOT has_schema_privilege(pronamespace, 'USAGE')
                    THEN format('GRANT USAGE ON SCHEMA %s TO %I;', pronamespace::regnamespace, current_user) END,
               CASE WHEN NOT (has_table_privilege(audit, 'INSERT') AND has_table_privilege(audit, 'DELETE'))
                    THEN format('GRANT INSERT, DELETE ON %s TO %I;', audit::regclass, current_user) END,
               CASE WHEN NOT has_sequence_privilege(sequence, 'USAGE')
                    THEN format('GRANT USAGE ON SEQUENCE %s TO %I;', sequence, current_user) END
           ], NULL) AS grants
    FROM fired
)
SELECT evtname::text,
       format('fires at %s of a load and calls %s of %I%s', evtevent, function::regprocedure,
              pg_get_userbyid((SELECT proowner FROM pg_proc WHERE pg_proc.oid = function)),
              CASE WHEN audit IS NULL THEN '' WHEN grants = '{{}}' THEN format(', which may write to %s', audit::regclass)
                   ELSE format(', which may not write to %s', audit::regclass) END) AS message,
       CASE WHEN audit IS NOT NULL AND grants <> '{{}}' THEN 'failure'
            WHEN audit IS NOT NULL OR is_extensions OR prosecdef THEN 'ok' ELSE 'warning' END AS state,
       CASE WHEN audit IS NOT NULL THEN array_to_string(grants, ' ')
            WHEN is_extensions OR prosecdef THEN ''
            ELSE format('try a dry run; grant %I what the function needs, or make it SECURITY DEFINER', current_user) END
FROM judged
ORDER BY 1;

-- name: held_tables
-- Tables in the pipeline's schema that loads drop or could not drop, and objects of others that prevent it: table, problem
-- and instruction. A running load has such tables too.
WITH droppable AS (
    SELECT relation.oid, relation.relname, relation.reltype, format('%I.%I', nspname, relation.relname) AS name
    FROM pg_class AS relation JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = :schema AND relation.relkind = 'r'
      AND (relation.relname LIKE '%\_previous' OR relation.relname ~ '_[0-9a-f]{{12}}$')
)
SELECT DISTINCT relname::text,
       format('%s depends on it', pg_describe_object(coalesce(holder.classid, dependency.classid),
                                                     coalesce(holder.objid, dependency.objid), 0)),
       CASE WHEN holder.kind IS NOT NULL THEN format('DROP %s %s;', holder.kind, holder.objid::regclass)
            WHEN dependency.classid = 'pg_constraint'::regclass THEN (
                SELECT format('ALTER TABLE %s DROP CONSTRAINT %I;', conrelid::regclass, conname)
                FROM pg_constraint WHERE pg_constraint.oid = dependency.objid)
            WHEN dependency.classid = 'pg_proc'::regclass
            THEN format('DROP ROUTINE %s;', dependency.objid::regprocedure)
            ELSE 'drop the dependent object' END
FROM droppable
JOIN pg_depend AS dependency ON dependency.deptype = 'n'
     AND ((dependency.refclassid = 'pg_class'::regclass AND dependency.refobjid = droppable.oid)
       OR (dependency.refclassid = 'pg_type'::regclass AND dependency.refobjid = droppable.reltype))
LEFT JOIN LATERAL (
    SELECT 'pg_class'::regclass::oid AS classid, ev_class AS objid,
           CASE relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END AS kind
    FROM pg_rewrite JOIN pg_class ON pg_class.oid = ev_class
    WHERE dependency.classid = 'pg_rewrite'::regclass AND pg_rewrite.oid = dependency.objid
) AS holder ON true
WHERE NOT (dependency.classid = 'pg_constraint'::regclass
           AND dependency.objid IN (SELECT oid FROM pg_constraint WHERE conrelid = droppable.oid))
  AND NOT (dependency.classid = 'pg_attrdef'::regclass
           AND dependency.objid IN (SELECT oid FROM pg_attrdef WHERE adrelid = droppable.oid))
UNION ALL
SELECT relname, format('it belongs to the extension %I', extname), format('ALTER EXTENSION %I DROP TABLE %s;', extname, name)
FROM droppable
JOIN pg_depend ON classid = 'pg_class'::regclass AND objid = droppable.oid AND deptype = 'e'
JOIN pg_extension ON pg_extension.oid = refobjid
ORDER BY 1, 2;

-- name: table_exists
SELECT to_regclass(:relation) IS NOT NULL;

-- name: last_runs
-- The committed run that loaded each table last.
SELECT DISTINCT ON (loaded.table_name)
       loaded.table_name, run.run_id, run.execution_arn, run.started_at, run.committed_at,
       extract(epoch FROM clock_timestamp() - run.committed_at)::float8 AS age_seconds,
       loaded.loaded, loaded.rejected
FROM {schema}.pipeline_run_tables AS loaded
JOIN {schema}.pipeline_runs AS run ON run.run_id = loaded.run_id AND run.status = 'committed'
ORDER BY loaded.table_name, run.committed_at DESC;

-- name: recorded_runs
-- The counts of the named runs, or of the last runs before a time that were not rolled back: one row per run and table, with
-- the run that loaded the table's current rows.
SELECT run.run_id, run.execution_arn, run.started_at, run.committed_at, run.input::text, run.status,
       run.rolled_back_at, run.rolled_back_by, run.rolled_back_reason, holder.run_id,
       loaded.table_name, loaded.segments, loaded.chunks, loaded.scanned, loaded.staged, loaded.rejected,
       loaded.sanitized, loaded.loaded, loaded.inserted, loaded.updated, loaded.deleted, loaded.previous_rows,
       loaded.read_units::float8, loaded.bytes, loaded.load_seconds::float8
FROM (
    SELECT * FROM {schema}.pipeline_runs
    WHERE CASE WHEN :runs::text[] IS NULL THEN status = 'committed' ELSE run_id = ANY (:runs) END
      AND (:before::timestamptz IS NULL OR started_at < :before)
    ORDER BY started_at DESC
    LIMIT :most
) AS run
JOIN {schema}.pipeline_run_tables AS loaded ON loaded.run_id = run.run_id
LEFT JOIN (
    SELECT DISTINCT ON (table_name) table_name, run_id
    FROM {schema}.pipeline_run_tables JOIN {schema}.pipeline_runs USING (run_id)
    WHERE status = 'committed'
    ORDER BY table_name, committed_at DESC
) AS holder ON holder.table_name = loaded.table_name
ORDER BY run.started_at DESC, run.run_id, loaded.table_name;

-- name: loading_runs
-- The run that loaded each table: the given run, or the last run that was not rolled back.
SELECT DISTINCT ON (loaded.table_name) loaded.table_name, loaded.run_id
FROM {schema}.pipeline_run_tables AS loaded
JOIN {schema}.pipeline_runs AS run ON run.run_id = loaded.run_id
WHERE loaded.run_id = :run OR (:run::text IS NULL AND run.status = 'committed')
ORDER BY loaded.table_name, run.committed_at DESC;

-- name: reject_reasons
-- Rejects by kind: the reason up to `:got`, which precedes the found value (`transform/reason.py`).
WITH reject AS (
    SELECT *, row_number() OVER (PARTITION BY table_name, kind ORDER BY place) AS number
    FROM (
        SELECT run_id, table_name, split_part(reason, :got, 1) AS kind, ctid AS place, item_key::text AS key, reason
        FROM {schema}.rejected_items
        WHERE (:run::text IS NULL OR run_id = :run) AND (:table::text IS NULL OR table_name = :table)
    ) AS found
)
SELECT run_id, table_name, kind, count(*) AS items,
       array_agg(key ORDER BY number) FILTER (WHERE number <= :samples) AS keys,
       array_agg(reason ORDER BY number) FILTER (WHERE number <= :samples) AS reasons
FROM reject
GROUP BY run_id, table_name, kind
ORDER BY table_name, items DESC, kind
LIMIT :most;

-- name: rejects_relations
-- The relations that contain the rows of rejected_items, from the given OID on: its partitions, or the table itself.
SELECT pg_class.oid::bigint, format('%I.%I', nspname, relname)
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind = 'r'
  AND (pg_class.oid = to_regclass(:relation)
       OR pg_class.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass(:relation)))
  AND pg_class.oid::bigint >= :start
ORDER BY 1;

-- name: read_rejected_items
-- In the order of storage; the text of an item is created when its row is fetched. An item larger than `:largest` is
-- truncated.
DECLARE rejects NO SCROLL CURSOR FOR
SELECT place, run_id, table_name, item_key, reason,
       CASE WHEN octet_length(item) <= :largest THEN item ELSE left(item, :beginning) END, octet_length(item)
FROM (
    SELECT page.place, page.run_id, page.table_name, page.item_key::text, page.reason, page.item::text
    FROM (
        SELECT ctid AS place, * FROM {relation}
        WHERE ctid > :after::tid
          AND (:run::text IS NULL OR run_id = :run)
          AND (:table::text IS NULL OR table_name = :table)
        ORDER BY ctid
        LIMIT :rows
    ) AS page
    OFFSET 0 -- so that the text is created once
) AS texts;

-- name: fetch_rejected_items
FETCH {number} FROM rejects;

-- name: close_rejected_items
CLOSE rejects;

-- name: compare_rows
-- The given rows that differ from the table's rows: the position, whether the key is missing, and for each column the
-- expected and the found value if they differ. `*<>` compares stored values: 1.0 differs from 1.00.
-- The given columns are renamed, since the table may have a column named `number`.
SELECT incoming.number, target.{first_key} IS NULL AS missing, {differences}
FROM (
    SELECT {values}, number
    FROM unnest({arrays}) WITH ORDINALITY AS given ({columns}, number)
) AS incoming
LEFT JOIN {only} AS target ON {is_same_key}
WHERE target.{first_key} IS NULL OR {target_row} *<> {incoming_row}
ORDER BY incoming.number;
