-- Every statement of the pipeline, by name. `:name` is a parameter. `{name}` is an identifier, which is quoted, or
-- SQL that the caller composed from quoted identifiers (see statements.py).


-- Sessions -------------------------------------------------------------------------------------------------------------

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

-- name: forbid_writing
-- In every transaction of the session: nothing that ends one of them allows the next to write.
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;

-- name: begin_reading
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;

-- name: limit_lock_waits
SELECT set_config('lock_timeout', :seconds, true);

-- name: limit_session
SELECT set_config('statement_timeout', :milliseconds, false);

-- name: begin_rehearsal
-- Not READ WRITE, which a standby refuses: `demand doctor` reports the standby instead.
BEGIN ISOLATION LEVEL READ COMMITTED;

-- name: limit_statements
SELECT set_config('statement_timeout', :milliseconds, true);


-- Locks ----------------------------------------------------------------------------------------------------------------

-- name: hung_loads
-- Loads whose COPY is old and waits for its client: process id, start and progress of the COPY. No timeout of PostgreSQL
-- ends it while the client's kernel still answers.
SELECT pid, query_start, bytes_processed
FROM pg_stat_activity
LEFT JOIN pg_stat_progress_copy USING (pid)
WHERE usename = current_user
  AND pg_stat_activity.datname = current_database()
  AND application_name LIKE 'demand-pipeline %'
  AND state = 'active'
  AND wait_event = 'ClientRead'
  AND query_start < clock_timestamp() - make_interval(secs => :seconds::float8);

-- name: end_session
-- A role may end its own sessions.
SELECT pg_terminate_backend(:pid, 1000);

-- name: forget_activity
-- A transaction always sees pg_stat_activity as it was when the transaction first read it, unless it clears the snapshot.
SELECT pg_stat_clear_snapshot();

-- name: limit_locks
-- All locks of an attempt together wait for less than deadlock_timeout. A partition is locked with its parent. If the
-- attempt fails, the savepoint resets the setting. Otherwise the setting applies to the rest of the transaction, since no
-- lock is worth a longer wait while readers are locked out.
WITH RECURSIVE locked AS (
    SELECT to_regclass(name)::oid AS relation FROM unnest(:relations::text[]) AS given (name)
    UNION
    SELECT inhrelid FROM pg_inherits JOIN locked ON inhparent = relation JOIN pg_class ON oid = inhrelid AND relispartition
)
SELECT set_config('lock_timeout', (0.8 * (SELECT setting::int FROM pg_settings WHERE name = 'deadlock_timeout')
                                   / count(*))::int::text, true)
FROM locked;

-- name: is_own_table
SELECT FROM pg_class WHERE oid = to_regclass(:relation) AND relkind IN ('r', 'p') AND pg_has_role(relowner, 'USAGE');

-- name: lock_exclusive
LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE;

-- name: lock_out_vacuum
LOCK TABLE {tables} IN SHARE UPDATE EXCLUSIVE MODE;

-- name: lock_out_loads
LOCK TABLE {tables} IN SHARE UPDATE EXCLUSIVE MODE;

-- name: transactions_at
-- The transactions of others that hold locks on relations, or on their partitions.
WITH RECURSIVE locked AS (
    SELECT to_regclass(name)::oid AS relation FROM unnest(:relations::text[]) AS given (name)
    UNION
    SELECT inhrelid FROM pg_inherits JOIN locked ON inhparent = relation JOIN pg_class ON oid = inhrelid AND relispartition
)
SELECT DISTINCT virtualtransaction
FROM pg_locks JOIN locked USING (relation)
WHERE granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND pid IS DISTINCT FROM pg_backend_pid();

-- name: lock_holders
-- Who holds, or waits for, locks in some modes on relations, on their partitions, or on the tables of schemas: process id,
-- relation, the strongest of the modes, whether it is granted, and the age of the transaction; for a prepared transaction
-- also a description, and the statement that ends it. The lock of a prepared transaction on its own transaction id
-- connects it with its other locks. The modes come from the weakest on.
WITH RECURSIVE locked AS (
    SELECT to_regclass(name)::oid AS relation FROM unnest(:relations::text[]) AS given (name)
    UNION
    SELECT pg_class.oid FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = ANY (:schemas::text[]) AND relkind IN ('r', 'p')
    UNION
    SELECT inhrelid FROM pg_inherits JOIN locked ON inhparent = relation JOIN pg_class ON oid = inhrelid AND relispartition
)
SELECT lock.pid, lock.relation::regclass::text AS name,
       (array_agg(lock.mode ORDER BY array_position(:modes::text[], lock.mode) DESC))[1], lock.granted,
       extract(epoch FROM clock_timestamp() - coalesce(activity.xact_start, prepared))::float8 AS age,
       'prepared transaction ' || quote_literal(gid) || ' (role ' || owner || ', since ' || date_trunc('second', prepared) || ')',
       'ROLLBACK PREPARED ' || quote_literal(gid) || ';'
FROM pg_locks AS lock
LEFT JOIN pg_locks AS own ON lock.pid IS NULL AND own.pid IS NULL AND own.locktype = 'transactionid'
                         AND own.virtualtransaction = lock.virtualtransaction
LEFT JOIN pg_prepared_xacts AS transaction ON transaction.transaction = own.transactionid
LEFT JOIN pg_stat_activity AS activity ON activity.pid = lock.pid
WHERE lock.locktype = 'relation'
  AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND lock.relation IN (SELECT relation FROM locked)
  AND lock.mode = ANY (:modes::text[])
  AND lock.pid IS DISTINCT FROM pg_backend_pid()
GROUP BY lock.pid, lock.virtualtransaction, gid, owner, prepared, activity.xact_start, lock.relation, lock.granted
ORDER BY lock.granted DESC, age DESC NULLS LAST, lock.pid NULLS FIRST, name;

-- name: describe_sessions
-- Each session's process id, description, the statement that ends it (null for the pipeline's own sessions and for
-- autovacuum), and whether it is the pipeline's own. PostgreSQL shows state, time and statement only to the session's role
-- and members of pg_read_all_stats.
SELECT pid,
       format('process %s (%s)', pid, concat_ws(', ',
           coalesce('role ' || usename, 'autovacuum or another process of the server'),
           nullif(application_name, ''),
           state || ' since ' || date_trunc('second', state_change),
           upper(substring(query FROM '^(?:SET search_path = [^;]*;)?\s*([[:alpha:]]{{1,20}})\M')),
           'waits for ' || nullif(array_to_string(pg_blocking_pids(pid), ' and '), ''))),
       CASE WHEN NOT is_own THEN format('SELECT pg_terminate_backend(%s);', pid) END,
       coalesce(is_own, false)
FROM pg_stat_activity
CROSS JOIN LATERAL (SELECT usename = current_user AND application_name LIKE 'demand-pipeline %') AS found (is_own)
WHERE pid = ANY (:pids::int[])
ORDER BY xact_start;

-- name: lock_out_writers
LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE;


-- Tables ---------------------------------------------------------------------------------------------------------------

-- name: create_schema
CREATE SCHEMA IF NOT EXISTS {schema};

-- name: relation
-- No row if the relation does not exist; otherwise its kind, its owner, whether this session's role may act as the owner,
-- and the name and the ordered columns of its primary key (null: no primary key).
SELECT relation.relkind::text AS kind,
       pg_get_userbyid(relation.relowner)::text AS owner,
       pg_has_role(relation.relowner, 'USAGE') AS owned,
       current_user::text AS loader,
       (SELECT conname::text FROM pg_constraint WHERE conrelid = relation.oid AND contype = 'p') AS key_name,
       (SELECT array_agg(attribute.attname::text ORDER BY key.position)
        FROM pg_index AS index
        CROSS JOIN unnest(index.indkey::int2[]) WITH ORDINALITY AS key (number, position)
        JOIN pg_attribute AS attribute ON attribute.attrelid = index.indrelid AND attribute.attnum = key.number
        WHERE index.indrelid = relation.oid AND index.indisprimary) AS key
FROM pg_class AS relation
WHERE relation.oid = to_regclass(:relation);

-- name: columns
-- One row per declared column: its type (null: the column is missing) and its declared type, both in the server's notation.
SELECT declared.name,
       format_type(attribute.atttypid, attribute.atttypmod) AS found,
       format_type(declared.type::regtype, NULL) AS expected
FROM unnest(:declared_names::text[], :declared_types::text[]) AS declared (name, type)
LEFT JOIN pg_attribute AS attribute
       ON attribute.attrelid = to_regclass(:relation)
      AND attribute.attname = declared.name
      AND attribute.attnum > 0
      AND NOT attribute.attisdropped;

-- name: unwritable_columns
-- Columns that prevent a load from inserting rows: name, problem and the actions of ALTER TABLE that solve it. A trigger may
-- set a column without a default. An identity column is NOT NULL, and remains NOT NULL without its identity.
SELECT attname::text, format('GENERATED ALWAYS AS %s', CASE WHEN attidentity = 'a' THEN 'IDENTITY' ELSE 'an expression' END),
       format(CASE WHEN attgenerated = 'v' THEN 'DROP COLUMN %I'
                   WHEN attgenerated = 's' THEN 'ALTER COLUMN %I DROP EXPRESSION'
                   WHEN attname = ANY (:key::text[]) THEN 'ALTER COLUMN %I DROP IDENTITY'
                   ELSE 'ALTER COLUMN %1$I DROP IDENTITY, ALTER COLUMN %1$I DROP NOT NULL' END, attname)
FROM pg_attribute
WHERE attrelid = to_regclass(:relation) AND NOT attisdropped
  AND attname = ANY (:declared::text[]) AND (attgenerated <> '' OR attidentity = 'a')
UNION ALL
SELECT attname, 'NOT NULL without a default', format('ALTER COLUMN %I DROP NOT NULL', attname)
FROM pg_attribute
WHERE attrelid = to_regclass(:relation) AND NOT attisdropped AND attnum > 0
  AND attname <> ALL (:declared::text[]) AND attnotnull AND NOT atthasdef AND attidentity = ''
  AND attnum <> ALL (coalesce((SELECT indkey::int2[] FROM pg_index WHERE indrelid = attrelid AND indisprimary), '{{}}'))
  AND NOT EXISTS (
      SELECT FROM pg_trigger
      WHERE tgrelid = attrelid AND tgenabled IN ('O', 'A') AND tgtype & 7 = 7  -- BEFORE INSERT FOR EACH ROW
  );

-- name: comments
-- The statements that add comments to the declared tables (no column) and columns that have no comment yet.
SELECT CASE WHEN attribute.attnum IS NULL
            THEN format('COMMENT ON TABLE %s IS %L', declared.relation, declared.comment)
            ELSE format('COMMENT ON COLUMN %s.%I IS %L', declared.relation, attribute.attname, declared.comment)
       END AS statement
FROM unnest(:relations::text[], :columns::text[], :comments::text[]) AS declared (relation, name, comment)
JOIN pg_class AS relation ON relation.oid = to_regclass(declared.relation)
LEFT JOIN pg_attribute AS attribute ON attribute.attrelid = relation.oid AND attribute.attname = declared.name
WHERE NOT EXISTS (
    SELECT FROM pg_description AS description
    WHERE description.classoid = 'pg_class'::regclass
      AND description.objoid = relation.oid
      AND description.objsubid = coalesce(attribute.attnum, 0)
);

-- name: indexes
-- A table's indexes that can be dropped and recreated exactly: the statement that drops each, and the statements that
-- recreate it. Indexes that these statements cannot reproduce completely are left out.
SELECT coalesce('ALTER TABLE ' || relation.oid::regclass || ' DROP CONSTRAINT ' || quote_ident(rule.conname),
                'DROP INDEX ' || class.oid::regclass) AS removal,
       array_remove(ARRAY[
           pg_get_indexdef(class.oid),
           'ALTER TABLE ' || relation.oid::regclass || ' ADD CONSTRAINT ' || quote_ident(rule.conname)
               || CASE rule.contype WHEN 'p' THEN ' PRIMARY KEY' ELSE ' UNIQUE' END
               || ' USING INDEX ' || quote_ident(class.relname)
               || CASE WHEN rule.condeferrable THEN ' DEFERRABLE' ELSE '' END
               || CASE WHEN rule.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END,
           'COMMENT ON CONSTRAINT ' || quote_ident(rule.conname) || ' ON ' || relation.oid::regclass
               || ' IS ' || quote_literal(obj_description(rule.oid, 'pg_constraint')),
           'COMMENT ON INDEX ' || class.oid::regclass
               || ' IS ' || quote_literal(obj_description(class.oid, 'pg_class'))
       ], NULL) AS creation
FROM pg_index AS index
JOIN pg_class AS class ON class.oid = index.indexrelid
JOIN pg_class AS relation ON relation.oid = index.indrelid
LEFT JOIN pg_constraint AS rule ON rule.conindid = index.indexrelid AND rule.contype IN ('p', 'u')
WHERE index.indrelid = to_regclass(:relation)
  -- The table is neither partitioned nor a partition, whose indexes are linked to other indexes.
  AND relation.relkind = 'r'
  AND NOT relation.relispartition
  -- Recreating a key requires NOT NULL in inheriting tables, which may belong to others.
  AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = relation.oid)
  -- An exclusion constraint's index cannot be recreated in this way.
  AND NOT index.indisexclusion
  -- Properties that no definition contains: REPLICA IDENTITY, CLUSTER, a tablespace, statistics targets and other options.
  AND NOT index.indisreplident
  AND NOT index.indisclustered
  AND class.reltablespace = 0
  AND current_setting('default_tablespace') = ''
  AND NOT EXISTS (
      SELECT FROM pg_attribute AS attribute
      WHERE attribute.attrelid = index.indexrelid
        AND (coalesce(attribute.attstattarget, -1) <> -1 OR attribute.attoptions IS NOT NULL)
  )
  -- No dependants: foreign keys, views that group by the key; and no extension that it belongs to.
  AND NOT EXISTS (
      SELECT FROM pg_depend AS dependency
      WHERE dependency.deptype <> 'i'
        AND ((dependency.refclassid = 'pg_class'::regclass AND dependency.refobjid = index.indexrelid)
          OR (dependency.refclassid = 'pg_constraint'::regclass AND dependency.refobjid = rule.oid)
          OR (dependency.classid = 'pg_class'::regclass AND dependency.objid = index.indexrelid
              AND dependency.deptype IN ('e', 'x')))
  )
  -- The privilege that CREATE INDEX needs besides ownership of the table.
  AND has_schema_privilege(relation.relnamespace, 'CREATE')
ORDER BY index.indexrelid;

-- name: find_schema
SELECT FROM pg_namespace WHERE nspname = :schema;

-- name: create_table
CREATE TABLE IF NOT EXISTS {table} ({definition}){partitioned};

-- name: alone
-- In the given order. A partitioned table's rows are in its partitions, so it must not be restricted with ONLY.
SELECT CASE WHEN relkind = 'p' THEN name ELSE 'ONLY ' || name END
FROM unnest(:relations::text[]) WITH ORDINALITY AS given (name, position)
JOIN pg_class ON pg_class.oid = to_regclass(name)
ORDER BY position;

-- name: identify_rows
-- For a table without a key: PostgreSQL refuses UPDATE and DELETE of a published table without a replica identity.
ALTER TABLE {table} REPLICA IDENTITY FULL;

-- name: unidentified
-- A table without a key, or its partitions, as far as they have no replica identity.
WITH RECURSIVE part AS (
    SELECT to_regclass(:relation)::oid AS relation
    UNION
    SELECT inhrelid FROM part JOIN pg_inherits ON inhparent = relation JOIN pg_class ON oid = inhrelid AND relispartition
)
SELECT format('%I.%I', nspname, relname)
FROM part
JOIN pg_class ON pg_class.oid = relation
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind = 'r' AND relreplident IN ('d', 'n');

-- name: count_rows
SELECT count(*) FROM {table};


-- Shadows --------------------------------------------------------------------------------------------------------------

-- name: relation_exists
SELECT to_regclass(:relation) IS NOT NULL;

-- name: schema_access
-- This session's role, whether the schema exists, and whether the role may create tables in it.
SELECT current_user::text AS loader,
       namespace.oid IS NOT NULL AS found,
       CASE WHEN namespace.oid IS NULL THEN has_database_privilege(current_database(), 'CREATE')
            ELSE has_schema_privilege(namespace.oid, 'USAGE') AND has_schema_privilege(namespace.oid, 'CREATE')
       END AS allowed
FROM (VALUES (:schema)) AS wanted (name)
LEFT JOIN pg_namespace AS namespace ON namespace.nspname = wanted.name;

-- name: empty_schema
SELECT FROM pg_namespace AS namespace
WHERE nspname = :schema
  AND pg_has_role(nspowner, 'USAGE')
  AND NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = namespace.oid);

-- name: drop_schema
DROP SCHEMA {schema};

-- name: create_shadow
CREATE UNLOGGED TABLE IF NOT EXISTS {table} ({definition});

-- name: create_ledger
CREATE {kind} TABLE IF NOT EXISTS {ledger} (
    chunk text PRIMARY KEY,
    table_name text,
    rows bigint NOT NULL DEFAULT 0,
    rejects bigint NOT NULL DEFAULT 0,
    seconds float8 NOT NULL DEFAULT 0,
    drift jsonb,
    export jsonb,
    touched_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);

-- name: touch_ledger
-- This entry is not a chunk: it only records that the run is alive.
INSERT INTO {ledger} (chunk) VALUES ('') ON CONFLICT (chunk) DO UPDATE SET touched_at = pg_catalog.clock_timestamp();

-- name: claim_chunk
INSERT INTO {ledger} (chunk, table_name, rows, rejects) VALUES (:chunk, :table, :rows, :rejects)
ON CONFLICT (chunk) DO NOTHING;

-- name: complete_chunk
UPDATE {ledger}
SET seconds = extract(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) touched_at),
    touched_at = pg_catalog.clock_timestamp(),
    drift = :drift::jsonb
WHERE chunk OPERATOR(pg_catalog.=) :chunk;

-- name: claim_step
INSERT INTO {ledger} (chunk) VALUES (:step) ON CONFLICT (chunk) DO NOTHING;

-- name: count_calls
-- `rows` is the number of entries at the last call, `rejects` the number of calls that found the same number.
INSERT INTO {ledger} AS calls (chunk, rows, rejects)
SELECT 'calls', pg_catalog.count(*), 1 FROM {ledger} WHERE chunk OPERATOR(pg_catalog.<>) 'calls'
ON CONFLICT (chunk) DO UPDATE
SET rejects = CASE WHEN calls.rows OPERATOR(pg_catalog.=) excluded.rows THEN calls.rejects OPERATOR(pg_catalog.+) 1 ELSE 1 END,
    rows = excluded.rows,
    touched_at = pg_catalog.clock_timestamp()
RETURNING rejects;

-- name: complete_export_part
UPDATE {ledger} SET export = :part::jsonb, touched_at = pg_catalog.clock_timestamp()
WHERE chunk OPERATOR(pg_catalog.=) :step;

-- name: export_parts
SELECT export FROM {ledger} WHERE starts_with(chunk, :prefix) ORDER BY chunk;

-- name: forget_steps
DELETE FROM {ledger} WHERE pg_catalog.starts_with(chunk, :prefix);

-- name: copied_chunks
SELECT chunk FROM {ledger} WHERE table_name IS NOT NULL;

-- name: copied_totals
SELECT table_name, sum(rows), sum(rejects), sum(seconds) FROM {ledger} WHERE table_name IS NOT NULL GROUP BY table_name;

-- name: own_tables
-- The tables of a schema that this session's role may drop.
SELECT relname::text
FROM pg_class
WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = :schema)
  AND relkind = 'r'
  AND pg_has_role(relowner, 'USAGE')
ORDER BY relname;

-- name: ledger_age
-- Minutes since the last entry; infinite for a ledger that a crash has emptied.
SELECT coalesce(extract(epoch FROM clock_timestamp() - max(touched_at)) / 60, 'Infinity')::float8 FROM {ledger};

-- name: drop_table
DROP TABLE IF EXISTS {table};

-- name: dependants
-- Objects of others that prevent DROP TABLE: views, constraints, functions, and an extension that the table belongs to.
WITH target AS (SELECT oid, reltype FROM pg_class WHERE oid = to_regclass(:relation))
SELECT DISTINCT pg_describe_object(coalesce(view.classid, dependency.classid), coalesce(view.objid, dependency.objid), 0)
FROM target
JOIN pg_depend AS dependency
  ON dependency.deptype = 'n'
 AND ((dependency.refclassid = 'pg_class'::regclass AND dependency.refobjid = target.oid)
   OR (dependency.refclassid = 'pg_type'::regclass
       AND dependency.refobjid IN (SELECT oid FROM pg_type WHERE target.reltype IN (oid, typelem))))
-- A view depends on a table through its rule.
LEFT JOIN LATERAL (
    SELECT 'pg_class'::regclass::oid AS classid, ev_class AS objid FROM pg_rewrite
    WHERE dependency.classid = 'pg_rewrite'::regclass AND pg_rewrite.oid = dependency.objid
) AS view ON true
UNION
SELECT pg_describe_object(refclassid, refobjid, 0)
FROM target JOIN pg_depend ON classid = 'pg_class'::regclass AND objid = target.oid AND deptype = 'e';


-- Copying --------------------------------------------------------------------------------------------------------------

-- name: copy_in
COPY {table} ({columns}) FROM STDIN WITH {options};

-- name: count_blocks
SELECT pg_relation_size(:relation::regclass) / current_setting('block_size')::bigint;

-- name: copy_out
-- The rows in a range of a table's blocks, the end excluded.
COPY (SELECT {columns} FROM {table} WHERE ctid >= '({first},0)' AND ctid < '({end},0)') TO STDOUT WITH (FORMAT csv, {header});


-- Refused rows ---------------------------------------------------------------------------------------------------------

-- name: row_rules
-- The rules that can refuse rows of a table, other than its columns' types: kind, name, problem, the relation with the rows,
-- the condition that a refused row meets (null: it cannot be tested for each row), the row's size in the index (null: not
-- limited), the row's key as in the item, and the statement that removes the rule. `declared` are the columns that a load
-- writes.
WITH target AS (
    SELECT oid, oid::regclass::text AS name FROM pg_class WHERE oid = to_regclass(:relation)
), loaded AS (
    -- The tables of the load, and the relations with their new rows.
    SELECT to_regclass(name) AS oid, name, rows FROM unnest(:relations::text[], :shadows::text[]) AS given (name, rows)
), key AS (
    SELECT format('jsonb_build_object(%s)', string_agg(format(
               CASE type WHEN 'bytea' THEN '%L, replace(encode(item.%I, ''base64''), chr(10), '''')' ELSE '%L, item.%I' END,
               attribute, name), ', ')) AS shown,
           string_agg(format('incoming.%I = item.%1$I', name), ' AND ') AS is_same
    FROM unnest(:key_names::text[], :key_attributes::text[], :key_types::text[]) AS given (name, attribute, type)
), entries AS (
    -- Indexes, with the parts of their entries as SQL.
    SELECT index.*, class.relname, method.amname, rule.conname, rule.contype,
           coalesce('(' || pg_get_expr(index.indpred, index.indrelid) || ')', 'true') AS is_indexed,
           CASE WHEN rule.oid IS NULL THEN format('DROP INDEX %s;', class.oid::regclass)
                ELSE format('ALTER TABLE %s DROP CONSTRAINT %I;', target.name, conname) END AS removal,
           (SELECT format('CASE WHEN %s THEN %s END', coalesce(pg_get_expr(index.indpred, index.indrelid), 'true'), string_agg(
                format('coalesce(pg_column_size(%s), 0)', pg_get_indexdef(index.indexrelid, number, false)), ' + '))
            FROM generate_series(1, index.indnatts) AS number) AS size,
           (SELECT string_agg(pg_get_indexdef(index.indexrelid, number, false)
                              || coalesce((SELECT format(' COLLATE %I.%I', nspname, collname)
                                           FROM pg_collation JOIN pg_namespace ON pg_namespace.oid = collnamespace
                                           WHERE pg_collation.oid = index.indcollation[number - 1]), ''), ', ')
            FROM generate_series(1, index.indnkeyatts) AS number) AS parts,
           EXISTS (SELECT FROM pg_attribute WHERE attrelid = index.indexrelid AND attlen = -1) AS can_grow
    FROM target
    JOIN pg_index AS index ON index.indrelid = target.oid
    JOIN pg_class AS class ON class.oid = index.indexrelid
    JOIN pg_am AS method ON method.oid = class.relam
    LEFT JOIN pg_constraint AS rule ON rule.conindid = index.indexrelid AND rule.conrelid = index.indrelid
)
SELECT 'not null' AS kind, attname::text AS name, format('its column %I is NOT NULL', attname) AS problem,
       :rows::text AS rows, format('item.%I IS NULL', attname) AS condition, NULL::text AS size, key.shown AS key,
       format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL;', target.name, attname) AS removal
FROM key, target JOIN pg_attribute ON attrelid = target.oid AND attnotnull AND attidentity <> 'a' AND NOT attisdropped
WHERE attname = ANY (:declared::text[]) AND attname <> ALL (:key_names::text[])
UNION ALL
SELECT 'check', conname, format('its constraint %I is %s', conname, pg_get_constraintdef(rule.oid)),
       :rows, format('(%s) IS FALSE', pg_get_expr(conbin, conrelid)), NULL, key.shown,
       format('ALTER TABLE %s DROP CONSTRAINT %I;', target.name, conname)
FROM key, target JOIN pg_constraint AS rule ON conrelid = target.oid AND contype = 'c'
WHERE pg_get_constraintdef(rule.oid) NOT LIKE '%NOT ENFORCED'
UNION ALL
-- PostgreSQL compresses long values in an index as in the table; an entry has a header of eight bytes.
SELECT 'size', relname, format('its index %I allows entries of at most 2704 bytes', relname),
       :rows, format('%s > 2696', size), size, key.shown,
       removal || ' an index on a hash or the left part of the value, or USING hash, takes any length'
FROM key, entries WHERE can_grow AND amname = 'btree' AND NOT indisprimary
UNION ALL
SELECT CASE WHEN indisprimary THEN 'key' ELSE 'unique' END, coalesce(conname, relname),
       format('its values of (%s) are unique, by %I', parts, coalesce(conname, relname)),
       :rows, format('(%1$s) IN (SELECT %1$s FROM %2$s AS item WHERE %3$s GROUP BY %1$s HAVING count(*) > 1) AND %3$s',
                     parts, :rows::text, is_indexed),
       NULL, key.shown,
       CASE WHEN NOT indisprimary THEN removal || ' for values that rows only exchange, declare it DEFERRABLE' ELSE '' END
FROM key, entries WHERE indisunique
UNION ALL
SELECT 'exclusion', conname, format('its constraint %I is %s', conname, pg_get_constraintdef(rule.oid)), :rows,
       CASE WHEN indexprs IS NULL AND indpred IS NULL THEN format(
           'EXISTS (SELECT FROM %s AS other WHERE other.ctid <> item.ctid AND %s)', :rows::text,
           (SELECT string_agg(format('item.%I OPERATOR(%I.%s) other.%1$I', attname, nspname, oprname), ' AND ')
            FROM unnest(rule.conkey, rule.conexclop) AS part (number, operator)
            JOIN pg_attribute ON attrelid = target.oid AND attnum = number
            JOIN pg_operator ON pg_operator.oid = operator
            JOIN pg_namespace ON pg_namespace.oid = oprnamespace)) END,
       NULL, key.shown, format('ALTER TABLE %s DROP CONSTRAINT %I;', target.name, conname)
FROM key, target JOIN pg_constraint AS rule ON conrelid = target.oid AND contype = 'x' JOIN pg_index ON indexrelid = conindid
UNION ALL
SELECT 'foreign key', conname, format('its constraint %I is %s', conname, pg_get_constraintdef(rule.oid)), :rows,
       (SELECT string_agg(format('item.%I IS NOT NULL', own.attname), ' AND ')
               || format(' AND NOT EXISTS (SELECT FROM %s AS referred WHERE ', coalesce(loaded.rows, confrelid::regclass::text))
               || string_agg(format('referred.%I = item.%I', other.attname, own.attname), ' AND ') || ')'
        FROM unnest(conkey, confkey) AS part (number, referred)
        JOIN pg_attribute AS own ON own.attrelid = conrelid AND own.attnum = number
        JOIN pg_attribute AS other ON other.attrelid = confrelid AND other.attnum = referred),
       NULL, key.shown, format('ALTER TABLE %s DROP CONSTRAINT %I;', target.name, conname)
FROM key, target
JOIN pg_constraint AS rule ON conrelid = target.oid AND contype = 'f' AND conparentid = 0
LEFT JOIN loaded ON loaded.oid = confrelid
WHERE pg_get_constraintdef(rule.oid) NOT LIKE '%NOT ENFORCED'
UNION ALL
-- Rows of the table that the load deletes, but that other rows refer to; with ON DELETE, the others may be deleted or
-- changed as well.
SELECT 'referred', conname, format('the foreign key %I of %s refers to it', conname, conrelid::regclass), target.name,
       (SELECT CASE WHEN confdeltype IN ('a', 'r') THEN 'EXISTS' END
               || format(' (SELECT FROM %s AS referring WHERE ', coalesce(loaded.rows, conrelid::regclass::text))
               || string_agg(format('referring.%I = item.%I', other.attname, own.attname), ' AND ')
               || format(') AND NOT EXISTS (SELECT FROM %s AS incoming WHERE %s)', :rows::text, key.is_same)
        FROM unnest(confkey, conkey) AS part (number, referring)
        JOIN pg_attribute AS own ON own.attrelid = confrelid AND own.attnum = number
        JOIN pg_attribute AS other ON other.attrelid = conrelid AND other.attnum = referring),
       NULL, key.shown, format('ALTER TABLE %s DROP CONSTRAINT %I;', conrelid::regclass, conname)
FROM key, target
JOIN pg_constraint AS rule ON confrelid = target.oid AND contype = 'f' AND conparentid = 0
LEFT JOIN loaded ON loaded.oid = conrelid;

-- name: refused_items
-- The items whose rows meet a condition: their number, a few keys, and their sizes, the largest first.
SELECT count(*) OVER (), {key}::text, {size} FROM {rows} AS item WHERE {condition} ORDER BY 3 DESC, 2 LIMIT 5;

-- name: largest_entry
SELECT max({size}) FROM {rows} AS item;

-- name: outdated_rules
-- The statements that remove the rules and the generated columns of a table that its parent no longer has.
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', :child::text, conname)
FROM pg_constraint AS rule
WHERE conrelid = to_regclass(:child) AND contype = 'c'
  AND NOT EXISTS (
      SELECT FROM pg_constraint AS own
      WHERE own.conrelid = to_regclass(:parent) AND own.contype = 'c' AND own.conname = rule.conname
        AND pg_get_constraintdef(own.oid) = pg_get_constraintdef(rule.oid)
  )
UNION ALL
SELECT format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', :child::text, attname)
FROM pg_attribute AS own JOIN pg_attribute AS parent USING (attname)
WHERE own.attrelid = to_regclass(:child) AND parent.attrelid = to_regclass(:parent)
  AND own.attnotnull AND NOT parent.attnotnull AND NOT own.attisdropped AND NOT parent.attisdropped
UNION ALL
SELECT format('ALTER TABLE %s DROP COLUMN %I', :child::text, attname)
FROM pg_attribute AS own
WHERE own.attrelid = to_regclass(:child) AND own.attgenerated <> '' AND NOT own.attisdropped
  AND NOT EXISTS (
      SELECT FROM pg_attribute AS parent
      WHERE parent.attrelid = to_regclass(:parent) AND parent.attname = own.attname AND parent.attgenerated <> ''
  );

-- name: create_probe
CREATE UNLOGGED TABLE {probe} (LIKE {table} INCLUDING ALL EXCLUDING IDENTITY EXCLUDING COMMENTS EXCLUDING STATISTICS);

-- name: fill_probe
INSERT INTO {probe} ({columns})
SELECT {columns} FROM {rows} WHERE ctid OPERATOR(pg_catalog.>=) {first} AND ctid OPERATOR(pg_catalog.<) {end};


-- Replacing rows -------------------------------------------------------------------------------------------------------

-- name: truncate
TRUNCATE {tables};

-- name: storage
-- The only relation that contains a table's rows, as SQL: the table itself, or its only partition. No row if there are
-- several partitions, or if this session's role may not write to the relation.
SELECT min(leaf.oid)::regclass::text
FROM (
    SELECT to_regclass(:relation)::oid AS relation
    UNION
    SELECT relid FROM pg_partition_tree(to_regclass(:relation))
) AS members
JOIN pg_class AS leaf ON leaf.oid = members.relation AND leaf.relkind <> 'p'
HAVING count(*) = 1 AND bool_and(leaf.relkind = 'r' AND has_table_privilege(leaf.oid, 'INSERT'));

-- name: read_blocks
COPY (SELECT {columns} FROM {shadow} WHERE ctid >= '({first},0)' AND ctid < '({end},0)') TO STDOUT WITH (FORMAT binary);

-- name: write_frozen
COPY {table} ({columns}) FROM STDIN WITH (FORMAT binary, FREEZE);

-- name: index_shadow
CREATE UNIQUE INDEX ON {shadow} ({key});

-- name: analyze_shadow
ANALYZE {shadow} ({columns});

-- name: delete_missing
DELETE FROM {only} AS target
WHERE NOT EXISTS (SELECT FROM {shadow} AS incoming WHERE {is_same_key});

-- name: update_changed
UPDATE {only} AS target SET {values}
FROM {shadow} AS incoming
WHERE {is_same_key} AND {target_row} OPERATOR(pg_catalog.*<>) {incoming_row};

-- name: insert_missing
INSERT INTO {table} ({columns})
SELECT {columns} FROM {shadow} AS incoming
WHERE NOT EXISTS (SELECT FROM {only} AS target WHERE {is_same_key});


-- Swapping -------------------------------------------------------------------------------------------------------------

-- name: unswappable
-- Problems that prevent the exchange of a table's partition, or properties that it would lose, and the solution of each.
WITH target AS (
    SELECT oid, relkind, relnamespace, relname, oid::regclass::text AS name
    FROM pg_class WHERE oid = to_regclass(:relation)
)
SELECT format('the foreign key %I of %s refers to it', conname, conrelid::regclass) AS problem,
       format('ALTER TABLE %s DROP CONSTRAINT %I;', conrelid::regclass, conname) AS statement, NULL AS advice
FROM target JOIN pg_constraint ON confrelid = target.oid AND contype = 'f' AND conparentid = 0
UNION ALL
-- Rows are copied to a table that is not a partition yet, where an identity column would get no values.
SELECT format('%I is an identity column', attname),
       format('ALTER TABLE %s ALTER COLUMN %2$I DROP IDENTITY, ALTER COLUMN %2$I DROP NOT NULL;', name, attname), NULL
FROM target JOIN pg_attribute ON attrelid = target.oid AND attidentity <> '' AND NOT attisdropped
UNION ALL
-- A swap does not fire triggers.
SELECT format('its trigger %I would not fire', tgname), format('DROP TRIGGER %I ON %s;', tgname, name), NULL
FROM target JOIN pg_trigger ON tgrelid = target.oid AND NOT tgisinternal
UNION ALL
-- Logical replication sends changes of rows, and a swap does not change rows.
SELECT format('the publication %I would not send its rows', pubname), NULL, 'leave the table out of the publication'
FROM target
JOIN pg_publication_tables ON (schemaname, tablename) IN (
    SELECT nspname, relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE pg_class.oid = target.oid
       OR pg_class.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = target.oid)
)
UNION ALL
SELECT format('the exclusion constraint %I cannot be built beforehand', conname),
       format('ALTER TABLE %s DROP CONSTRAINT %I;', name, conname), NULL
FROM target JOIN pg_constraint ON conrelid = target.oid AND contype = 'x'
UNION ALL
SELECT format('it belongs to %s', inhparent::regclass),
       format('ALTER TABLE %s %s;', CASE parent.relkind WHEN 'p' THEN inhparent ELSE inhrelid END::regclass,
              CASE parent.relkind WHEN 'p' THEN format('DETACH PARTITION %s', name)
                                  ELSE format('NO INHERIT %s', inhparent::regclass) END), NULL
FROM target JOIN pg_inherits ON inhrelid = target.oid JOIN pg_class AS parent ON parent.oid = inhparent
UNION ALL
SELECT format('%s inherits from it', inhrelid::regclass),
       format('ALTER TABLE %s NO INHERIT %s;', inhrelid::regclass, name), NULL
FROM target JOIN pg_inherits ON inhparent = target.oid
WHERE target.relkind = 'r'
UNION ALL
SELECT format('it has %s partitions that were not created by a swap', count(*)), NULL, 'load it with truncate or merge'
FROM target
JOIN pg_inherits ON inhparent = target.oid
JOIN pg_class AS partition ON partition.oid = inhrelid
WHERE target.relkind = 'p' AND pg_get_expr(partition.relpartbound, partition.oid) <> ALL (:bounds::text[])
  AND NOT (:any_list::boolean AND starts_with(pg_get_expr(partition.relpartbound, partition.oid), 'FOR VALUES IN '))
HAVING count(*) > 0;

-- name: inconvertible
-- Problems that prevent the conversion of a plain table to a partitioned parent, which is a new relation, and the solution
-- of each. `table_facts` finds properties that would be lost.
WITH target AS (
    SELECT oid, relnamespace, relowner, reltype, oid::regclass::text AS name
    FROM pg_class WHERE oid = to_regclass(:relation) AND relkind = 'r'
)
-- Views, functions, columns of its row type: all objects that refer to it by its OID.
SELECT DISTINCT format('%s depends on it', pg_describe_object(coalesce(view.classid, dependency.classid),
                                                             coalesce(view.objid, dependency.objid), 0)) AS problem,
       NULL AS statement, 'drop the dependent object, and create it again after the first swap' AS advice
FROM target
JOIN pg_depend AS dependency ON dependency.deptype = 'n'
     AND ((dependency.refclassid = 'pg_class'::regclass AND dependency.refobjid = target.oid)
       OR (dependency.refclassid = 'pg_type'::regclass
           AND dependency.refobjid IN (SELECT target.reltype
                                 UNION ALL SELECT typarray FROM pg_type WHERE pg_type.oid = target.reltype)))
-- A view depends on a table through its rule.
LEFT JOIN LATERAL (
    SELECT 'pg_class'::regclass::oid AS classid, ev_class AS objid FROM pg_rewrite
    WHERE dependency.classid = 'pg_rewrite'::regclass AND pg_rewrite.oid = dependency.objid
) AS view ON true
WHERE NOT (dependency.classid = 'pg_constraint'::regclass
           AND dependency.objid IN (SELECT oid FROM pg_constraint WHERE target.oid IN (conrelid, confrelid)))
  AND NOT (dependency.classid = 'pg_attrdef'::regclass
           AND dependency.objid IN (SELECT oid FROM pg_attrdef WHERE adrelid = target.oid))
  AND NOT (dependency.classid = 'pg_class'::regclass
           AND dependency.objid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = target.oid))
  AND dependency.classid NOT IN ('pg_policy'::regclass, 'pg_trigger'::regclass)
  AND NOT (dependency.classid = 'pg_rewrite'::regclass AND view.objid = target.oid)
UNION ALL
SELECT format('its unique index %s lacks the partitioning column %I', indexrelid::regclass, attname),
       CASE WHEN rule.oid IS NULL THEN format('DROP INDEX %s;', indexrelid::regclass)
            ELSE format('ALTER TABLE %s DROP CONSTRAINT %I;', name, conname) END, NULL
FROM target
JOIN pg_index ON indrelid = target.oid AND indisunique
JOIN pg_attribute ON attrelid = target.oid AND attname = :partitioned_by AND attnum <> ALL (indkey::int2[])
LEFT JOIN pg_constraint AS rule ON rule.conindid = indexrelid AND rule.conrelid = target.oid
UNION ALL
SELECT format('its constraint %I is NOT VALID', conname), format('ALTER TABLE %s VALIDATE CONSTRAINT %I;', name, conname), NULL
FROM target JOIN pg_constraint ON conrelid = target.oid AND NOT convalidated
UNION ALL
SELECT format('its constraint %I is NO INHERIT', conname),
       format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %2$I %s;', name, conname,
              regexp_replace(pg_get_constraintdef(pg_constraint.oid), ' NO INHERIT', '')), NULL
FROM target JOIN pg_constraint ON conrelid = target.oid AND contype = 'c' AND connoinherit
UNION ALL
-- A rehearsal omits foreign keys, since they lock the table that they refer to.
SELECT format('its owner lacks the privilege REFERENCES for its foreign key %I to %s', conname, confrelid::regclass),
       format('GRANT REFERENCES ON %s TO %I;', confrelid::regclass, pg_get_userbyid(relowner)), NULL
FROM target JOIN pg_constraint ON conrelid = target.oid AND contype = 'f'
WHERE NOT has_table_privilege(relowner, confrelid, 'REFERENCES')
UNION ALL
SELECT format('its owner %I may not create tables in its schema', pg_get_userbyid(relowner)),
       format('GRANT CREATE ON SCHEMA %s TO %I;', relnamespace::regnamespace, pg_get_userbyid(relowner)), NULL
FROM target WHERE NOT has_schema_privilege(relowner, relnamespace, 'CREATE');

-- name: is_partitioned
SELECT FROM pg_class WHERE oid = to_regclass(:relation) AND relkind = 'p';

-- name: table_facts
-- All properties of a table in the catalog, by object: the properties as JSON, and the statement that removes the object. A
-- property is a column of the catalog, including columns that later versions add. The omitted columns identify an object,
-- describe its location or size, or always differ between a plain and a partitioned table. Foreign keys (`inconvertible`)
-- and storage settings, which belong to partitions, are omitted as well.
WITH target AS (
    SELECT pg_class.*, format('%I.%I', nspname, relname) AS name
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = to_regclass(:relation)
), indexes AS (
    SELECT pg_index.*, target.name AS owner, class.relname, class.reloptions, class.reltablespace,
           format('%I.%I', nspname, class.relname) AS name
    FROM target
    JOIN pg_index ON indrelid = target.oid
    JOIN pg_class AS class ON class.oid = indexrelid
    JOIN pg_namespace ON pg_namespace.oid = class.relnamespace
)
SELECT 'the table' AS object, NULL AS removal,
       (to_jsonb(pg_class) || jsonb_build_object('comment', obj_description(pg_class.oid, 'pg_class')))
       - '{{oid, relname, relnamespace, reltype, reloftype, relowner, relam, relfilenode, reltablespace, relpages, reltuples,
           relallvisible, relallfrozen, reltoastrelid, relhasindex, relpersistence, relkind, relnatts, relchecks, relhasrules,
           relhastriggers, relhassubclass, relrowsecurity, relispopulated, relreplident, relispartition, relrewrite,
           relfrozenxid, relminmxid, relacl, reloptions, relpartbound}}'::text[] AS properties
FROM target JOIN pg_class ON pg_class.oid = target.oid
UNION ALL
SELECT format('the column %I', attname), NULL,
       (to_jsonb(pg_attribute) || jsonb_build_object('comment', col_description(attrelid, attnum),
                                                     'expression', pg_get_expr(adbin, adrelid)))
       - '{{attrelid, attnum, attndims, attcacheoff, attacl, atthasmissing, attmissingval, attidentity, attislocal,
           attinhcount}}'::text[]
FROM target
JOIN pg_attribute ON attrelid = target.oid AND attnum > 0 AND NOT attisdropped
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
UNION ALL
SELECT format('the constraint %I', conname), format('ALTER TABLE %s DROP CONSTRAINT %I', name, conname),
       (to_jsonb(pg_constraint) || jsonb_build_object('comment', obj_description(pg_constraint.oid, 'pg_constraint'),
                                                      'definition', pg_get_constraintdef(pg_constraint.oid)))
       - '{{oid, conname, connamespace, conrelid, conindid, conislocal, coninhcount, conkey, conbin}}'::text[]
       - CASE WHEN contype = 'c' THEN '' ELSE 'connoinherit' END
FROM target JOIN pg_constraint ON conrelid = target.oid AND contype <> 'f'
UNION ALL
SELECT format('the index %I', relname),
       coalesce('ALTER TABLE ' || owner || ' DROP CONSTRAINT ' || quote_ident(conname), 'DROP INDEX ' || name),
       (to_jsonb(pg_index) || jsonb_build_object(
           'comment', obj_description(pg_index.indexrelid, 'pg_class'),
           'columns', ARRAY(SELECT pg_get_indexdef(pg_index.indexrelid, number, false)
                            FROM generate_series(1, pg_index.indnatts::int) AS number),
           'predicate', pg_get_expr(pg_index.indpred, pg_index.indrelid)))
       - '{{indexrelid, indrelid, indisclustered, indisreplident, indcheckxmin, indkey, indexprs, indpred}}'::text[]
FROM indexes JOIN pg_index USING (indexrelid)
LEFT JOIN pg_constraint ON conindid = indexrelid AND contype IN ('p', 'u')
UNION ALL
SELECT format('the settings of the index %I', relname),
       format('ALTER INDEX %s RESET (%s)', name, (SELECT string_agg(option_name, ', ') FROM pg_options_to_table(reloptions))),
       jsonb_build_object('options', reloptions)
FROM indexes WHERE reloptions IS NOT NULL
UNION ALL
SELECT format('the CLUSTER mark of the index %I', relname), format('ALTER TABLE %s SET WITHOUT CLUSTER', owner), '{{}}'
FROM indexes WHERE indisclustered
UNION ALL
SELECT format('the tablespace of the index %I', relname), format('ALTER INDEX %s SET TABLESPACE pg_default', name), '{{}}'
FROM indexes WHERE reltablespace <> 0
UNION ALL
SELECT format('the statistics target of the index %I', relname),
       format('ALTER INDEX %s ALTER COLUMN %s SET STATISTICS -1', name, attnum), '{{}}'
FROM indexes JOIN pg_attribute ON attrelid = indexrelid AND attstattarget >= 0
UNION ALL
SELECT format('its tablespace %I', spcname), format('ALTER TABLE %s SET TABLESPACE pg_default', name), '{{}}'
FROM target JOIN pg_tablespace ON pg_tablespace.oid = reltablespace
UNION ALL
SELECT format('its access method %I', amname),
       format('ALTER TABLE %s SET ACCESS METHOD %s', name, current_setting('default_table_access_method')), '{{}}'
FROM target JOIN pg_am ON pg_am.oid = relam WHERE amname <> current_setting('default_table_access_method')
UNION ALL
SELECT 'its UNLOGGED property', format('ALTER TABLE %s SET LOGGED', name), '{{}}' FROM target WHERE relpersistence = 'u'
UNION ALL
SELECT format('its type %s', reloftype::regtype), format('ALTER TABLE %s NOT OF', name), '{{}}'
FROM target WHERE reloftype <> 0
UNION ALL
SELECT 'its row-level security', format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', name), '{{}}'
FROM target WHERE relrowsecurity
UNION ALL
SELECT 'its REPLICA IDENTITY', format('ALTER TABLE %s REPLICA IDENTITY DEFAULT', name),
       jsonb_build_object('kind', relreplident)
FROM target
WHERE relreplident <> 'd'
  -- A table without a key and each of its partitions are set to FULL by the load.
  AND NOT (relreplident = 'f' AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = target.oid AND indisprimary))
UNION ALL
SELECT format('the policy %I', polname), format('DROP POLICY %I ON %s', polname, name), '{{}}'
FROM target JOIN pg_policy ON polrelid = target.oid
UNION ALL
SELECT format('the rule %I', rulename), format('DROP RULE %I ON %s', rulename, name), '{{}}'
FROM target JOIN pg_rewrite ON ev_class = target.oid
UNION ALL
SELECT format('the statistics object %I.%I', nspname, stxname), format('DROP STATISTICS %I.%I', nspname, stxname), '{{}}'
FROM target JOIN pg_statistic_ext ON stxrelid = target.oid JOIN pg_namespace ON pg_namespace.oid = stxnamespace
UNION ALL
SELECT format('the ownership of the sequence %s', objid::regclass),
       format('ALTER SEQUENCE %s OWNED BY NONE', objid::regclass), '{{}}'
FROM target
JOIN pg_depend ON classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass
              AND refobjid = target.oid AND deptype = 'a'
JOIN pg_class AS sequence ON sequence.oid = objid AND sequence.relkind = 'S'
UNION ALL
SELECT format('its membership of the extension %I', extname), format('ALTER EXTENSION %I DROP TABLE %s', extname, name), '{{}}'
FROM target
JOIN pg_depend ON classid = 'pg_class'::regclass AND objid = target.oid AND refclassid = 'pg_extension'::regclass
JOIN pg_extension ON pg_extension.oid = refobjid
UNION ALL
SELECT format('the security label of %s', provider), NULL, jsonb_build_object('column', objsubid, 'label', label)
FROM target JOIN pg_seclabel ON classoid = 'pg_class'::regclass AND objoid = target.oid
UNION ALL
SELECT format('the grant of %s%s to %s', privilege_type, ' (' || quote_ident(attname) || ')',
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END), NULL,
       jsonb_build_object('grantable', bool_or(is_grantable))
FROM (
    SELECT NULL::name AS attname, entry.* FROM target, aclexplode(relacl) AS entry
    WHERE grantee <> relowner AND pg_get_userbyid(grantee) <> current_user
    UNION ALL
    SELECT attname, entry.* FROM target JOIN pg_attribute ON attrelid = target.oid, aclexplode(attacl) AS entry
) AS granted
GROUP BY attname, grantee, privilege_type;

-- name: relation_kind
SELECT relkind::text FROM pg_class WHERE oid = to_regclass(:relation);

-- name: create_parent
CREATE TABLE {parent} (LIKE {table} INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY EXCLUDING STATISTICS)
PARTITION BY {partition_by};

-- name: create_shadow_like
CREATE TABLE {shadow} (LIKE {parent} INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY EXCLUDING COMMENTS)
WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off);

-- name: create_default_partition
CREATE TABLE {partition} PARTITION OF {parent} DEFAULT;
ALTER TABLE {partition} REPLICA IDENTITY FULL;

-- name: add_primary_key
ALTER TABLE {table} ADD PRIMARY KEY ({key});

-- name: index_names
SELECT format('%I.%I', nspname, relname), relname::text
FROM pg_index
JOIN pg_class ON pg_class.oid = indexrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE indrelid = to_regclass(:relation);

-- name: rename_index
ALTER INDEX {index} RENAME TO {new_name};

-- name: alter_table
ALTER TABLE {table} {actions};

-- name: create_logged_shadow
CREATE TABLE {shadow} ({definition}) WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off);

-- name: comments_and_grants
-- The statements that copy comments and grants from a table to another with the same names of constraints and indexes.
WITH target AS (
    SELECT oid, relacl, relowner FROM pg_class WHERE oid = to_regclass(:relation)
), given AS (
    SELECT to_regclass(:target) AS oid, format('%I', nspname) AS schema
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = to_regclass(:target)
)
SELECT format('COMMENT ON TABLE %s IS %L', :target::text, obj_description(oid, 'pg_class'))
FROM target WHERE obj_description(oid, 'pg_class') IS NOT NULL
UNION ALL
SELECT format('COMMENT ON INDEX %s.%I IS %L', schema, relname, obj_description(indexrelid, 'pg_class'))
FROM target JOIN pg_index ON indrelid = target.oid AND indisvalid JOIN pg_class ON pg_class.oid = indexrelid, given
WHERE obj_description(indexrelid, 'pg_class') IS NOT NULL
UNION ALL
SELECT format('COMMENT ON CONSTRAINT %I ON %s IS %L', conname, :target::text, obj_description(pg_constraint.oid, 'pg_constraint'))
FROM target JOIN pg_constraint ON conrelid = target.oid
WHERE obj_description(pg_constraint.oid, 'pg_constraint') IS NOT NULL
  AND conname IN (SELECT own.conname FROM given JOIN pg_constraint AS own ON own.conrelid = given.oid)
UNION ALL
SELECT format('GRANT %s ON %s TO %s%s', string_agg(privilege_type, ', '), :target::text,
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
              CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM target, aclexplode(relacl) WHERE grantee <> relowner GROUP BY grantee, is_grantable
UNION ALL
SELECT format('GRANT %s (%I) ON %s TO %s%s', privilege_type, attname, :target::text,
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
              CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM target JOIN pg_attribute ON attrelid = target.oid AND attacl IS NOT NULL, aclexplode(attacl);

-- name: revocations
-- The statements that revoke all privileges on tables and on their columns, except for the privileges of the owners.
SELECT DISTINCT format('REVOKE ALL ON %I.%I FROM %s CASCADE', nspname, relname,
                       CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
FROM unnest(:relations::text[]) AS given (name)
JOIN pg_class ON pg_class.oid = to_regclass(given.name)
JOIN pg_namespace ON pg_namespace.oid = relnamespace,
LATERAL (
    SELECT grantee FROM aclexplode(relacl)
    UNION SELECT grantee FROM pg_attribute, aclexplode(attacl) WHERE attrelid = pg_class.oid
) AS granted
WHERE grantee <> relowner;

-- name: table_settings
-- The statements that copy properties which LIKE does not copy: statistics targets and options of columns, REPLICA IDENTITY.
SELECT format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS %s', :target::text, attname, attstattarget)
FROM pg_attribute WHERE attrelid = to_regclass(:relation) AND attnum > 0 AND NOT attisdropped AND attstattarget >= 0
UNION ALL
SELECT format('ALTER TABLE %s ALTER COLUMN %I SET (%s)', :target::text, attname, array_to_string(attoptions, ', '))
FROM pg_attribute WHERE attrelid = to_regclass(:relation) AND attnum > 0 AND NOT attisdropped AND attoptions IS NOT NULL
UNION ALL
SELECT format('ALTER TABLE %s REPLICA IDENTITY %s', :target::text, CASE relreplident WHEN 'f' THEN 'FULL' ELSE 'NOTHING' END)
FROM pg_class WHERE oid = to_regclass(:relation) AND relreplident IN ('f', 'n');

-- name: storage_settings
-- The statements that give a table exactly the storage settings of another.
WITH settings (name, value) AS (
    SELECT option_name, option_value
    FROM pg_class, pg_options_to_table(reloptions) WHERE pg_class.oid = to_regclass(:relation)
    UNION ALL
    SELECT 'toast.' || option_name, option_value
    FROM pg_class AS class JOIN pg_class AS toast ON toast.oid = class.reltoastrelid,
         pg_options_to_table(toast.reloptions)
    WHERE class.oid = to_regclass(:relation)
)
SELECT format('ALTER TABLE %s RESET (autovacuum_enabled, toast.autovacuum_enabled)', :target::text)
UNION ALL
SELECT format('ALTER TABLE %s SET (%s)', :target::text, string_agg(format('%s = %L', name, value), ', '))
FROM settings HAVING count(*) > 0;

-- name: partitions
-- A parent's partitions: the quoted name, the plain name and the bound of each.
SELECT format('%I.%I', nspname, relname), relname::text, pg_get_expr(relpartbound, pg_class.oid)
FROM pg_inherits
JOIN pg_class ON pg_class.oid = inhrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE inhparent = to_regclass(:relation);

-- name: alignment
-- The statements that give a table the columns and rules of the parent that it will be attached to.
WITH parent AS (
    SELECT pg_attribute.*, pg_get_expr(adbin, adrelid) AS expression
    FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = to_regclass(:parent) AND attnum > 0 AND NOT attisdropped
), child AS (
    SELECT * FROM pg_attribute WHERE attrelid = to_regclass(:child) AND attnum > 0 AND NOT attisdropped
)
SELECT statement
FROM (
    SELECT 1, format('ALTER TABLE %s ADD COLUMN %I %s%s%s%s', :child::text, parent.attname,
                     format_type(parent.atttypid, parent.atttypmod),
                     (SELECT format(' COLLATE %I.%I', nspname, collname)
                      FROM pg_collation JOIN pg_namespace ON pg_namespace.oid = collnamespace
                      WHERE pg_collation.oid = parent.attcollation),
                     CASE WHEN parent.attgenerated = 's' THEN format(' GENERATED ALWAYS AS (%s) STORED', expression)
                          WHEN expression IS NOT NULL THEN ' DEFAULT ' || expression END,
                     CASE WHEN parent.attnotnull THEN ' NOT NULL' END)
    FROM parent WHERE attname NOT IN (SELECT attname FROM child)
    UNION ALL
    SELECT 2, format('ALTER TABLE %s DROP COLUMN %I', :child::text, attname)
    FROM child WHERE attname NOT IN (SELECT attname FROM parent) AND attname <> ALL (:kept::text[])
    UNION ALL
    SELECT 3, format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', :child::text, attname)
    FROM parent JOIN child USING (attname) WHERE parent.attnotnull AND NOT child.attnotnull
    UNION ALL
    -- A partition's CHECK must be valid, even if the parent's CHECK is NOT VALID: all its rows are new.
    SELECT 4, format('ALTER TABLE %s %sADD CONSTRAINT %I %s', :child::text,
                     CASE WHEN own.oid IS NOT NULL THEN format('DROP CONSTRAINT %I, ', own.conname) END, rule.conname,
                     definition)
    FROM pg_constraint AS rule
    CROSS JOIN LATERAL regexp_replace(pg_get_constraintdef(rule.oid), ' NOT VALID$', '') AS definition
    LEFT JOIN pg_constraint AS own ON own.conrelid = to_regclass(:child) AND own.contype = 'c' AND own.conname = rule.conname
    WHERE rule.conrelid = to_regclass(:parent) AND rule.contype = 'c' AND NOT rule.connoinherit
      AND pg_get_constraintdef(own.oid) IS DISTINCT FROM definition
) AS statements (number, statement)
ORDER BY number;

-- name: index_builds
-- The indexes that a table lacks, compared with its future parent: the name of each there, and the statement that creates
-- it, which uses this name only if :named.
-- ATTACH PARTITION builds missing indexes while readers wait. In the order of OIDs, it matches each index of the parent with
-- the first free index of the partition of the same kind; an index of a constraint matches only an index of a constraint. So
-- within a kind, the nth index of the partition must equal the nth index of the parent; otherwise it is dropped, and built
-- again at the end. Indexes are equal if their definitions after the table's name are equal, or if their constraints are.
WITH indexes AS (
    SELECT index.indrelid, index.indexrelid, class.relname, rule.definition AS rule, kind,
           row_number() OVER (PARTITION BY index.indrelid, kind ORDER BY index.indexrelid) AS number,
           CASE WHEN index.indisunique THEN 'UNIQUE ' ELSE '' END AS uniqueness,
           substr(pg_get_indexdef(index.indexrelid),
                  length(format('CREATE %sINDEX %I ON %s%I.%I ',
                                CASE WHEN index.indisunique THEN 'UNIQUE ' ELSE '' END, class.relname,
                                CASE class.relkind WHEN 'I' THEN 'ONLY ' ELSE '' END, nspname, owner.relname)) + 1)
               AS definition,
           CASE WHEN rule.definition IS NULL THEN format('DROP INDEX %I.%I; ', nspname, class.relname)
                ELSE format('ALTER TABLE %I.%I DROP CONSTRAINT %I; ', nspname, owner.relname, class.relname) END AS removal
    FROM pg_index AS index
    JOIN pg_class AS class ON class.oid = index.indexrelid
    JOIN pg_class AS owner ON owner.oid = index.indrelid
    JOIN pg_namespace ON pg_namespace.oid = owner.relnamespace
    -- The properties that PostgreSQL compares (CompareIndexInfo).
    CROSS JOIN LATERAL jsonb_build_array(
        index.indisunique, to_jsonb(index) -> 'indnullsnotdistinct', class.relam, index.indnkeyatts,
        ARRAY(SELECT pg_get_indexdef(index.indexrelid, place, false) FROM generate_series(1, index.indnatts::int) AS place),
        index.indcollation::oid[],
        ARRAY(SELECT opcfamily FROM unnest(index.indclass::oid[]) WITH ORDINALITY AS used (class, place)
              JOIN pg_opclass ON pg_opclass.oid = used.class ORDER BY place),
        pg_get_expr(index.indpred, index.indrelid)) AS kind
    LEFT JOIN LATERAL (
        SELECT pg_get_constraintdef(oid) AS definition
        FROM pg_constraint WHERE conindid = index.indexrelid AND contype IN ('p', 'u', 'x')
    ) AS rule ON true
    WHERE index.indrelid IN (to_regclass(:parent), to_regclass(:child)) AND index.indisvalid
)
SELECT wanted.relname::text,
       concat(own.removal, CASE WHEN wanted.rule IS NULL
           THEN format('CREATE %sINDEX %s ON %s %s', wanted.uniqueness, name, :child::text, wanted.definition)
           ELSE format('ALTER TABLE %s ADD %s%s', :child::text, 'CONSTRAINT ' || name || ' ', wanted.rule) END)
FROM indexes AS wanted
CROSS JOIN LATERAL (SELECT CASE WHEN :named::boolean THEN quote_ident(wanted.relname) END AS name) AS given
LEFT JOIN indexes AS own
       ON own.indrelid = to_regclass(:child) AND own.kind = wanted.kind AND own.number = wanted.number
WHERE wanted.indrelid = to_regclass(:parent)
  AND CASE WHEN wanted.rule IS NULL AND own.rule IS NULL THEN own.definition IS DISTINCT FROM wanted.definition
           ELSE own.rule IS DISTINCT FROM wanted.rule END
ORDER BY wanted.indexrelid;

-- name: foreign_key_builds
-- The foreign keys that a table lacks, compared with its future parent: the name of each, and the statement that adds it.
SELECT rule.conname::text,
       CASE WHEN own.oid IS NULL
            THEN format('ALTER TABLE %s ADD CONSTRAINT %I %s', :child::text, rule.conname, pg_get_constraintdef(rule.oid))
            ELSE format('ALTER TABLE %s VALIDATE CONSTRAINT %I', :child::text, rule.conname) END
FROM pg_constraint AS rule
LEFT JOIN pg_constraint AS own ON own.conrelid = to_regclass(:child) AND own.conname = rule.conname AND own.contype = 'f'
WHERE rule.conrelid = to_regclass(:parent) AND rule.contype = 'f' AND rule.conparentid = 0
  AND own.convalidated IS NOT TRUE;

-- name: count_indexes
SELECT count(*) FROM pg_index WHERE indrelid IN (SELECT to_regclass(name) FROM unnest(:relations::text[]) AS given (name));

-- name: lock_builder
-- The lock on this row lets only one session at a time check which session builds.
INSERT INTO {ledger} (chunk) VALUES ('builder') ON CONFLICT (chunk) DO UPDATE SET chunk = excluded.chunk;

-- name: claim_builds
-- Records this session, by process id and start, as the one that builds, unless the recorded session still exists.
UPDATE {ledger} AS builder
SET rows = own.pid, touched_at = own.backend_start
FROM pg_catalog.pg_stat_activity AS own
WHERE chunk OPERATOR(pg_catalog.=) 'builder'
  AND own.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_stat_activity AS last
      WHERE last.pid OPERATOR(pg_catalog.=) builder.rows
        AND last.backend_start OPERATOR(pg_catalog.=) builder.touched_at
  );

-- name: outlive_client
-- The session finishes its current statement even after its client has disconnected. Then it ends, even if the client hangs.
SELECT set_config('client_connection_check_interval', '0', false),
       set_config('statement_timeout', '0', false),
       set_config('idle_session_timeout', :idle, false);

-- name: make_statistics_rough
-- A tenth of the usual sample takes a tenth of the time; it is enough to plan queries until the ANALYZE after a swap.
SET default_statistics_target = 10;

-- name: vacuum
VACUUM (ANALYZE) {table};

-- name: analyze
ANALYZE {table};

-- name: old_snapshots
-- Process ids of sessions with a snapshot that may not see every chunk of the ledger. While a transaction writes, the xmin
-- of all later snapshots is old too. Autovacuum (no role) and replication senders read no rows; the query does not rely on
-- type, state and query of sessions, which PostgreSQL hides for other roles.
SELECT activity.pid
FROM pg_stat_activity AS activity
WHERE activity.datname = current_database()
  AND activity.pid <> pg_backend_pid()
  AND activity.usesysid IS NOT NULL
  -- Excluded: other loads, which wait for each other, and builds.
  AND NOT (activity.usename = current_user AND activity.application_name ~ '^demand-pipeline (build _[0-9a-f]{{12}}|[^ ]+)$')
  AND activity.pid NOT IN (SELECT pid FROM pg_stat_replication)
  AND age(activity.backend_xmin) >= (SELECT min(age(entry.xmin)) FROM {ledger} AS entry WHERE table_name IS NOT NULL)
ORDER BY activity.pid;

-- name: detach
ALTER TABLE {parent} DETACH PARTITION {partition};

-- name: attach
ALTER TABLE {parent} ATTACH PARTITION {partition} {bound};

-- name: move_table
ALTER TABLE {table} SET SCHEMA {schema};

-- name: rename_table
ALTER TABLE {table} RENAME TO {new_name};

-- name: describe_previous
SELECT format('COMMENT ON TABLE %s IS %L', :relation::text, :comment::text);

-- name: comment_on
SELECT obj_description(to_regclass(:relation), 'pg_class');

-- name: previous_grants
-- The statements that grant a table's readers access to its former partition; none if row-level security is enabled.
WITH parent AS (
    SELECT oid, relacl, relowner FROM pg_class WHERE oid = to_regclass(:parent) AND NOT relrowsecurity
), readers AS (
    SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS reader, attname
    FROM (
        SELECT grantee, NULL::name AS attname FROM parent, aclexplode(relacl)
        WHERE privilege_type = 'SELECT' AND grantee <> relowner
        UNION ALL
        SELECT grantee, attname
        FROM parent JOIN pg_attribute ON attrelid = parent.oid AND attacl IS NOT NULL, aclexplode(attacl)
        WHERE privilege_type = 'SELECT'
          AND attname IN (SELECT own.attname FROM pg_attribute AS own
                          WHERE own.attrelid = to_regclass(:previous) AND NOT own.attisdropped)
    ) AS granted
)
SELECT format('GRANT SELECT%s ON %s TO %s', ' (' || quote_ident(attname) || ')', :previous::text, reader) FROM readers
WHERE to_regclass(:previous) IS NOT NULL
UNION ALL
SELECT DISTINCT format('GRANT USAGE ON SCHEMA %I TO %s', nspname, reader)
FROM readers, pg_namespace
WHERE nspname = :schema AND pg_has_role(nspowner, 'USAGE');

-- name: last_loaded
-- Number of rows and name of the last run that loaded a table and was not rolled back.
SELECT loaded, run_id
FROM {schema}.pipeline_run_tables JOIN {schema}.pipeline_runs USING (run_id)
WHERE table_name = :table AND status = 'committed'
ORDER BY committed_at DESC
LIMIT 1;

-- name: last_run
SELECT run_id, status, rolled_back_at, rolled_back_by FROM {schema}.pipeline_runs ORDER BY committed_at DESC LIMIT 1;

-- name: tables_of_run
SELECT table_name FROM {schema}.pipeline_run_tables WHERE run_id = :run ORDER BY table_name;

-- name: mark_rolled_back
UPDATE {schema}.pipeline_runs
SET status = :status, rolled_back_at = pg_catalog.clock_timestamp(), rolled_back_by = :by,
    rolled_back_reason = :reason
WHERE run_id OPERATOR(pg_catalog.=) :run;

-- name: common_columns
-- The columns with the same name and type in two tables, in order.
SELECT current.attname::text
FROM pg_attribute AS current
JOIN pg_attribute AS previous
  ON previous.attname = current.attname AND previous.atttypid = current.atttypid AND NOT previous.attisdropped
WHERE current.attrelid = to_regclass(:current) AND previous.attrelid = to_regclass(:previous)
  AND current.attnum > 0 AND NOT current.attisdropped
ORDER BY current.attnum;

-- name: count_differences
-- The numbers of added, removed and changed rows, and of changed values by column.
SELECT count(*) FILTER (WHERE {was_added}), count(*) FILTER (WHERE {was_removed}), count(*) FILTER (WHERE {was_changed}),
       ARRAY[{changed_columns}]::bigint[]
FROM {current} AS current FULL JOIN {previous} AS previous ON {is_same_key};

-- name: sample_differences
SELECT jsonb_build_array({key})::text, array_remove(ARRAY[{names}]::text[], NULL)
FROM {current} AS current FULL JOIN {previous} AS previous ON {is_same_key}
WHERE {is_wanted}
LIMIT :samples;

-- name: create_previous_like
CREATE TABLE {previous} (LIKE {parent} INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY EXCLUDING COMMENTS);

-- name: add_check
ALTER TABLE {table} ADD CHECK ({check}), REPLICA IDENTITY FULL;

-- name: move_rejects
WITH moved AS (DELETE FROM {parent} WHERE table_name OPERATOR(pg_catalog.=) :table RETURNING *)
INSERT INTO {previous} SELECT * FROM moved;


-- The pipeline's own tables --------------------------------------------------------------------------------------------

-- name: find_run
SELECT execution_arn, started_at, status, rolled_back_at, rolled_back_by, rolled_back_reason
FROM {schema}.pipeline_runs WHERE run_id = :run;

-- name: find_newer_run
SELECT run_id, started_at FROM {schema}.pipeline_runs WHERE started_at > :started_at ORDER BY started_at DESC LIMIT 1;

-- name: insert_run
INSERT INTO {schema}.pipeline_runs (run_id, execution_arn, started_at, committed_at, input, status)
VALUES (:run, :arn, :started_at, pg_catalog.clock_timestamp(), :input, 'committed');

-- name: delete_rejected_items
DELETE FROM {only} WHERE table_name OPERATOR(pg_catalog.=) ANY (:tables);

-- name: insert_rejected_items
INSERT INTO {schema}.rejected_items ({columns}) SELECT {columns} FROM {rejects};

-- name: find_run_tables
SELECT {columns} FROM {schema}.pipeline_run_tables WHERE run_id = :run;

-- name: insert_run_table
INSERT INTO {schema}.pipeline_run_tables ({columns}) VALUES ({values});

-- name: create_freshness
-- Every role with USAGE on the schema may read the view, and sees the tables of which it may read any column. `tableoid`
-- leads to the view's schema.
CREATE VIEW {schema}.pipeline_freshness WITH (security_barrier) AS
SELECT DISTINCT ON (loaded.table_name)
       loaded.table_name,
       pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) run.committed_at AS age,
       loaded.loaded AS rows,
       run.run_id AS last_run,
       run.started_at,
       run.committed_at
FROM {schema}.pipeline_run_tables AS loaded
JOIN {schema}.pipeline_runs AS run ON run.run_id OPERATOR(pg_catalog.=) loaded.run_id
JOIN pg_catalog.pg_class AS own ON own.oid OPERATOR(pg_catalog.=) run.tableoid
JOIN pg_catalog.pg_class AS relation ON relation.relnamespace OPERATOR(pg_catalog.=) own.relnamespace
                                    AND relation.relname OPERATOR(pg_catalog.=) loaded.table_name
WHERE run.status OPERATOR(pg_catalog.=) 'committed'
  AND relation.relkind OPERATOR(pg_catalog.=) ANY ('{{r,p}}'::"char"[])
  AND pg_catalog.has_any_column_privilege(relation.oid, 'SELECT')
ORDER BY loaded.table_name, run.committed_at DESC;
COMMENT ON VIEW {schema}.pipeline_freshness IS
    'How old each table is, how many rows it has, and the run that loaded it last. An empty table is not stale.';
GRANT SELECT ON {schema}.pipeline_freshness TO PUBLIC;

-- name: insert_run_attributes
-- The sums of the counts of all chunks, for tables whose chunks all have counts. A column is absent only if no item has a
-- value for it. If there are too many attributes, the most frequent ones are recorded.
WITH counted AS (
    SELECT table_name, entry OPERATOR(pg_catalog.->>) 0 AS path, entry OPERATOR(pg_catalog.->>) 1 AS type,
           pg_catalog.sum((entry OPERATOR(pg_catalog.->>) 2)::bigint) AS items
    FROM {ledger} AS chunk, pg_catalog.jsonb_array_elements(drift) AS entry
    WHERE NOT EXISTS (
        SELECT FROM {ledger} AS other
        WHERE other.table_name OPERATOR(pg_catalog.=) chunk.table_name AND other.drift IS NULL
    )
    GROUP BY table_name, path, type
), present AS (
    SELECT counted.*,
           pg_catalog.row_number() OVER (
               PARTITION BY counted.table_name
               ORDER BY counted.path OPERATOR(pg_catalog.<>) '', counted.items DESC, counted.path, counted.type
           ) OPERATOR(pg_catalog.>) :most AS too_many
    FROM counted
    JOIN counted AS every ON every.table_name OPERATOR(pg_catalog.=) counted.table_name AND every.path OPERATOR(pg_catalog.=) ''
    WHERE counted.type OPERATOR(pg_catalog.<>) 'none' OR counted.items OPERATOR(pg_catalog.=) every.items
)
INSERT INTO {schema}.pipeline_run_attributes (run_id, table_name, path, type, items)
SELECT :run, table_name, found.path, found.type, pg_catalog.sum(items)
FROM present,
     LATERAL (SELECT CASE WHEN too_many THEN '*' ELSE present.path END AS path,
                     CASE WHEN too_many THEN '' ELSE present.type END AS type) AS found
GROUP BY table_name, found.path, found.type;

-- name: run_attributes
SELECT path, type, items FROM {schema}.pipeline_run_attributes WHERE run_id = :run AND table_name = :table;

-- name: run_before
-- The last run committed before this one that counted the table's attributes and was not rolled back.
SELECT run.run_id
FROM {schema}.pipeline_runs AS run
JOIN {schema}.pipeline_run_attributes AS attribute USING (run_id)
WHERE attribute.table_name = :table
  AND attribute.path = ''
  AND run.status = 'committed'
  AND run.committed_at < (SELECT committed_at FROM {schema}.pipeline_runs WHERE run_id = :run)
ORDER BY run.committed_at DESC
LIMIT 1;



-- Operators' questions -------------------------------------------------------------------------------------------------

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

-- name: incoming_foreign_keys
-- Foreign keys from other tables to the given ones: the referenced table, the referring table, the name, and the statement
-- that drops it.
WITH given AS (SELECT to_regclass(name) AS relation FROM unnest(:relations::text[]) AS declared (name))
SELECT relation.relname::text AS referred, rule.conrelid::regclass::text AS owner, quote_ident(rule.conname) AS name,
       format('ALTER TABLE %s DROP CONSTRAINT %I;', rule.conrelid::regclass, rule.conname) AS removal
FROM pg_constraint AS rule
JOIN pg_class AS relation ON relation.oid = rule.confrelid
WHERE rule.contype = 'f'
  AND rule.conparentid = 0
  AND rule.confrelid IN (SELECT relation FROM given)
  AND rule.conrelid NOT IN (SELECT relation FROM given WHERE relation IS NOT NULL)
ORDER BY 1, 2, 3;

-- name: forced_row_security
-- Tables whose policies also apply to their owner, and the statements that turn this off.
SELECT relation.relname::text, format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY;', relation.oid::regclass)
FROM pg_class AS relation
WHERE relation.oid IN (SELECT to_regclass(name) FROM unnest(:relations::text[]) AS declared (name))
  AND relation.relrowsecurity
  AND relation.relforcerowsecurity
ORDER BY 1;

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

-- name: rejected_items
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


-- Statements that people run: `demand explain` and docs/runbook.md show them ---------------------------------------------

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
