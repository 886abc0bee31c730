-- Every statement of the pipeline, by name. `:name` is a parameter. `{name}` is an identifier, which is quoted, or
-- SQL that the caller composed of quoted identifiers (see statements.py).


-- Sessions -------------------------------------------------------------------------------------------------------------

-- name: session
-- Text in a form that both sides know, and no names that other users could shadow (CVE-2018-1058).
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET bytea_output = 'hex';
SET array_nulls = on;
SET search_path = pg_catalog, pg_temp;
-- A policy that hides rows must fail the load, not its counts.
SET row_security = off;
-- A client that has died is noticed within a minute: waiting for it, sending to it, or working for it.
SET tcp_keepalives_idle = 10;
SET tcp_keepalives_interval = 10;
SET tcp_keepalives_count = 3;
SET tcp_user_timeout = '30s';
SET client_connection_check_interval = '10s';

-- name: timeouts
SELECT set_config('statement_timeout', :statement, false),
       set_config('lock_timeout', :lock, false),
       set_config('idle_in_transaction_session_timeout', :idle, false);

-- name: begin
-- READ COMMITTED: what is asked after waiting for a lock must see what its last holder committed.
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;

-- name: begin_reading
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;

-- name: limit_statements
SELECT set_config('statement_timeout', :milliseconds, true);


-- Locks ----------------------------------------------------------------------------------------------------------------

-- name: end_hung_loads
-- No COPY of a load takes long: one that is old and waits for its client has a client that hangs, and that no timeout
-- of PostgreSQL ends while its kernel still answers. A role may end its own sessions.
SELECT pg_terminate_backend(pid, 1000)
FROM pg_stat_activity
WHERE usename = current_user
  AND datname = current_database()
  AND application_name LIKE 'demand-pipeline %'
  AND state = 'active'
  AND wait_event = 'ClientRead'
  AND query_start < clock_timestamp() - make_interval(secs => :seconds::float8);

-- name: limit_locks
-- All locks of an attempt together wait for less than deadlock_timeout. A partition, or a table that inherits, is locked
-- with its parent. The setting ends with the savepoint; once the locks are taken, it stays for the rest of the
-- transaction: while readers are locked out, nothing is worth a longer wait.
WITH RECURSIVE locked AS (
    SELECT to_regclass(name)::oid AS relation FROM unnest(:relations::text[]) AS given (name)
    UNION
    SELECT inhrelid FROM pg_inherits JOIN locked ON inhparent = relation
)
SELECT set_config('lock_timeout', (0.8 * (SELECT setting::int FROM pg_settings WHERE name = 'deadlock_timeout')
                                   / count(*))::int::text, true)
FROM locked;

-- name: acquire_load_lock
SELECT pg_advisory_xact_lock(:key);

-- name: lock_exclusive
LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE;

-- name: lock_out_writers
LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE;


-- Tables ---------------------------------------------------------------------------------------------------------------

-- name: create_schema
CREATE SCHEMA {schema};

-- name: relation
-- Nothing if there is no such relation; else its kind, its owner, whether this session's role may act as the owner, and
-- the name and the columns, in order, of its primary key (null: it has none).
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
-- One row per declared column: the type it has (null: it is missing) and the type it should have, in the server's words.
SELECT declared.name,
       format_type(attribute.atttypid, attribute.atttypmod) AS found,
       format_type(declared.type::regtype, NULL) AS expected
FROM unnest(:declared_names::text[], :declared_types::text[]) AS declared (name, type)
LEFT JOIN pg_attribute AS attribute
       ON attribute.attrelid = to_regclass(:relation)
      AND attribute.attname = declared.name
      AND attribute.attnum > 0
      AND NOT attribute.attisdropped;

-- name: comments
-- The statements that comment the declared tables (no column) and columns that have no comment yet.
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
-- A table's indexes that can be dropped and made again exactly as they were: the statement that drops each, and those
-- that make it. An index of which anything is not in these statements is not among them.
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
  -- Neither partitioned nor a partition: its indexes belong to others'.
  AND relation.relkind = 'r'
  AND NOT relation.relispartition
  -- An exclusion constraint's index is made by other means.
  AND NOT index.indisexclusion
  -- Marks that no definition shows: REPLICA IDENTITY, CLUSTER, a tablespace, statistics targets and other options.
  AND NOT index.indisreplident
  AND NOT index.indisclustered
  AND class.reltablespace = 0
  AND current_setting('default_tablespace') = ''
  AND NOT EXISTS (
      SELECT FROM pg_attribute AS attribute
      WHERE attribute.attrelid = index.indexrelid
        AND (coalesce(attribute.attstattarget, -1) <> -1 OR attribute.attoptions IS NOT NULL)
  )
  -- Others that stand on it: foreign keys, views that group by the key; and extensions that it belongs to.
  AND NOT EXISTS (
      SELECT FROM pg_depend AS dependency
      WHERE dependency.deptype <> 'i'
        AND ((dependency.refclassid = 'pg_class'::regclass AND dependency.refobjid = index.indexrelid)
          OR (dependency.refclassid = 'pg_constraint'::regclass AND dependency.refobjid = rule.oid)
          OR (dependency.classid = 'pg_class'::regclass AND dependency.objid = index.indexrelid
              AND dependency.deptype IN ('e', 'x')))
  )
  -- What making an index takes, other than owning the table.
  AND has_schema_privilege(relation.relnamespace, 'CREATE')
ORDER BY index.indexrelid;

-- name: find_schema
SELECT FROM pg_namespace WHERE nspname = :schema;

-- name: create_table
CREATE TABLE {table} ({definition});

-- name: count_rows
SELECT count(*) FROM {table};


-- Shadows --------------------------------------------------------------------------------------------------------------

-- name: relation_exists
SELECT to_regclass(:relation) IS NOT NULL;

-- name: schema_access
-- This session's role, whether the schema is there, and whether the role may create tables in it.
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
CREATE UNLOGGED TABLE IF NOT EXISTS {ledger} (
    chunk text PRIMARY KEY,
    table_name text,
    rows bigint NOT NULL DEFAULT 0,
    rejects bigint NOT NULL DEFAULT 0,
    seconds float8 NOT NULL DEFAULT 0,
    drift jsonb,
    touched_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- name: touch_ledger
-- No chunk: the entry says only that the run is alive.
INSERT INTO {ledger} (chunk) VALUES ('') ON CONFLICT (chunk) DO UPDATE SET touched_at = clock_timestamp();

-- name: claim_chunk
INSERT INTO {ledger} (chunk, table_name, rows, rejects) VALUES (:chunk, :table, :rows, :rejects)
ON CONFLICT (chunk) DO NOTHING;

-- name: complete_chunk
UPDATE {ledger}
SET seconds = extract(epoch FROM clock_timestamp() - touched_at), touched_at = clock_timestamp(), drift = :drift::jsonb
WHERE chunk = :chunk;

-- name: copied_chunks
SELECT chunk FROM {ledger} WHERE table_name IS NOT NULL;

-- name: copied_totals
SELECT table_name, sum(rows), sum(rejects), sum(seconds) FROM {ledger} WHERE table_name IS NOT NULL GROUP BY table_name;

-- name: shadows
-- The pipeline's tables of this prefix and suffix in a schema, those that this role may drop: name, and name as SQL.
SELECT relname::text, format('%I.%I', nspname, relname)
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = :schema
  AND relkind = 'r'
  AND starts_with(relname, :prefix)
  AND right(relname, length(:suffix)) = :suffix
  AND pg_has_role(relowner, 'USAGE');

-- name: ledger_age
-- Minutes since the last entry; a ledger that a crash has emptied is old.
SELECT coalesce(extract(epoch FROM clock_timestamp() - max(touched_at)) / 60, 'Infinity')::float8 FROM {ledger};

-- name: drop_tables
DROP TABLE {tables};


-- Copying --------------------------------------------------------------------------------------------------------------

-- name: copy_in
COPY {table} ({columns}) FROM STDIN WITH {options};

-- name: copy_out
COPY {table} ({columns}) TO STDOUT WITH (FORMAT csv, HEADER);

-- name: reject_key_collisions
-- Of the rows whose key has a replaced character, the first of each key stays.
WITH numbered AS (
    SELECT ctid AS place, row_number() OVER (PARTITION BY {key} ORDER BY ctid) AS number
    FROM {shadow}
    WHERE {is_replaced}
), moved AS (
    DELETE FROM {shadow} AS row
    USING numbered
    WHERE row.ctid = numbered.place AND numbered.number > 1
    RETURNING row.*
)
INSERT INTO {rejects} (run_id, table_name, item_key, reason, item)
SELECT :run, :table, jsonb_build_object({shown_key}), :reason, to_jsonb(moved) FROM moved;


-- Replacing rows -------------------------------------------------------------------------------------------------------

-- name: truncate
TRUNCATE {tables};

-- name: fill
INSERT INTO {table} ({columns}) SELECT {columns} FROM {shadow};

-- name: index_shadow
CREATE UNIQUE INDEX ON {shadow} ({key});

-- name: analyze_shadow
ANALYZE {shadow} ({columns});

-- name: delete_missing
DELETE FROM {table} AS target
WHERE NOT EXISTS (SELECT FROM {shadow} AS incoming WHERE {is_same_key});

-- name: update_changed
UPDATE {table} AS target SET {values}
FROM {shadow} AS incoming
WHERE {is_same_key} AND {target_row} *<> {incoming_row};

-- name: insert_missing
INSERT INTO {table} ({columns})
SELECT {columns} FROM {shadow} AS incoming
WHERE NOT EXISTS (SELECT FROM {table} AS target WHERE {is_same_key});


-- The pipeline's own tables --------------------------------------------------------------------------------------------

-- name: find_run
SELECT execution_arn, started_at FROM {schema}.pipeline_runs WHERE run_id = :run;

-- name: find_newer_run
SELECT run_id, started_at FROM {schema}.pipeline_runs WHERE started_at > :started_at ORDER BY started_at DESC LIMIT 1;

-- name: insert_run
INSERT INTO {schema}.pipeline_runs (run_id, execution_arn, started_at, committed_at, input, status)
VALUES (:run, :arn, :started_at, clock_timestamp(), :input, 'committed');

-- name: delete_rejected_items
DELETE FROM {schema}.rejected_items WHERE table_name = ANY (:tables);

-- name: insert_rejected_items
INSERT INTO {schema}.rejected_items ({columns}) SELECT {columns} FROM {rejects};

-- name: find_run_tables
SELECT {columns} FROM {schema}.pipeline_run_tables WHERE run_id = :run;

-- name: insert_run_table
INSERT INTO {schema}.pipeline_run_tables ({columns}) VALUES ({values});

-- name: insert_run_attributes
-- The counts of all chunks, of the tables for which every chunk has some. A column that any item has a value for is not
-- absent; of too many attributes the most frequent stay.
WITH counted AS (
    SELECT table_name, entry ->> 0 AS path, entry ->> 1 AS type, sum((entry ->> 2)::bigint) AS items
    FROM {ledger}, jsonb_array_elements(drift) AS entry
    WHERE table_name NOT IN (SELECT table_name FROM {ledger} WHERE table_name IS NOT NULL AND drift IS NULL)
    GROUP BY table_name, path, type
), present AS (
    SELECT counted.*, row_number() OVER (PARTITION BY counted.table_name ORDER BY counted.path <> '', counted.items DESC,
                                                      counted.path, counted.type) > :most AS too_many
    FROM counted
    JOIN counted AS every ON every.table_name = counted.table_name AND every.path = ''
    WHERE counted.type <> 'none' OR counted.items = every.items
)
INSERT INTO {schema}.pipeline_run_attributes (run_id, table_name, path, type, items)
SELECT :run, table_name, found.path, found.type, sum(items)
FROM present,
     LATERAL (SELECT CASE WHEN too_many THEN '*' ELSE present.path END AS path,
                     CASE WHEN too_many THEN '' ELSE present.type END AS type) AS found
GROUP BY table_name, found.path, found.type;

-- name: run_attributes
SELECT path, type, items FROM {schema}.pipeline_run_attributes WHERE run_id = :run AND table_name = :table;

-- name: run_before
-- The last run committed before this one that counted the attributes of the table.
SELECT run.run_id
FROM {schema}.pipeline_runs AS run
JOIN {schema}.pipeline_run_attributes AS attribute USING (run_id)
WHERE attribute.table_name = :table
  AND attribute.path = ''
  AND run.committed_at < (SELECT committed_at FROM {schema}.pipeline_runs WHERE run_id = :run)
ORDER BY run.committed_at DESC
LIMIT 1;



-- Operators' questions -------------------------------------------------------------------------------------------------

-- name: server
-- The server, the session's role, and how the session is encrypted (null: not at all).
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
-- Nothing for a schema that does not exist.
SELECT has_schema_privilege(oid, 'USAGE') AS may_use, has_schema_privilege(oid, 'CREATE') AS may_create
FROM pg_namespace
WHERE nspname = :schema;

-- name: incoming_foreign_keys
-- Foreign keys of other tables than those given: which table they refer to, whose they are, and their names.
WITH given AS (SELECT to_regclass(name) AS relation FROM unnest(:relations::text[]) AS declared (name))
SELECT relation.relname::text AS referred, rule.conrelid::regclass::text AS owner, rule.conname::text AS name
FROM pg_constraint AS rule
JOIN pg_class AS relation ON relation.oid = rule.confrelid
WHERE rule.contype = 'f'
  AND rule.conparentid = 0
  AND rule.confrelid IN (SELECT relation FROM given)
  AND rule.conrelid NOT IN (SELECT relation FROM given WHERE relation IS NOT NULL)
ORDER BY 1, 2, 3;

-- name: forced_row_security
-- Tables whose policies apply to their owner too.
SELECT relation.relname::text
FROM pg_class AS relation
WHERE relation.oid IN (SELECT to_regclass(name) FROM unnest(:relations::text[]) AS declared (name))
  AND relation.relrowsecurity
  AND relation.relforcerowsecurity
ORDER BY 1;

-- name: table_exists
SELECT to_regclass(:relation) IS NOT NULL;

-- name: last_runs
-- Of each table, the committed run that loaded it last.
SELECT DISTINCT ON (loaded.table_name)
       loaded.table_name, run.run_id, run.execution_arn, run.started_at, run.committed_at,
       extract(epoch FROM clock_timestamp() - run.committed_at)::float8 AS age_seconds,
       loaded.loaded, loaded.rejected
FROM {schema}.pipeline_run_tables AS loaded
JOIN {schema}.pipeline_runs AS run ON run.run_id = loaded.run_id
ORDER BY loaded.table_name, run.committed_at DESC;

-- name: loading_runs
-- Of each table, the run that loaded it: the given one, or the last.
SELECT DISTINCT ON (loaded.table_name) loaded.table_name, loaded.run_id
FROM {schema}.pipeline_run_tables AS loaded
JOIN {schema}.pipeline_runs AS run ON run.run_id = loaded.run_id
WHERE :run::text IS NULL OR loaded.run_id = :run
ORDER BY loaded.table_name, run.committed_at DESC;

-- name: reject_reasons
-- Rejects by reason, without the value that was found, which differs from item to item.
WITH reject AS (
    SELECT run_id, table_name, split_part(reason, ', got ', 1) AS reason,
           row_number() OVER (PARTITION BY table_name, split_part(reason, ', got ', 1) ORDER BY ctid) AS number,
           item_key::text AS key, reason AS whole
    FROM {schema}.rejected_items
    WHERE (:run::text IS NULL OR run_id = :run) AND (:table::text IS NULL OR table_name = :table)
)
SELECT run_id, table_name, reason, count(*) AS items,
       array_agg(key ORDER BY number) FILTER (WHERE number <= :samples) AS keys,
       array_agg(whole ORDER BY number) FILTER (WHERE number <= :samples) AS reasons
FROM reject
GROUP BY run_id, table_name, reason
ORDER BY table_name, items DESC, reason
LIMIT :most;

-- name: rejected_items
-- In the order in which they are stored. Of the next rows as many as are small enough together, at least one.
SELECT place, run_id, table_name, item_key, reason, item
FROM (
    SELECT page.*, sum(octet_length(item)) OVER (ORDER BY place) AS bytes, row_number() OVER (ORDER BY place) AS number
    FROM (
        SELECT ctid AS place, run_id, table_name, item_key::text AS item_key, reason, item::text AS item
        FROM {schema}.rejected_items
        WHERE ctid > :after::tid
          AND (:run::text IS NULL OR run_id = :run)
          AND (:table::text IS NULL OR table_name = :table)
        ORDER BY ctid
        LIMIT :rows
    ) AS page
) AS measured
WHERE number = 1 OR bytes <= :bytes
ORDER BY place;

-- name: compare_rows
-- Which of the given rows the table does not have as they are: their position, whether their key is missing, and for
-- each column the expected and the found value where they differ. `*<>` compares what is stored: 1.0 is not 1.00.
SELECT incoming.number, target.{first_key} IS NULL AS missing, {differences}
FROM (
    SELECT {values}, number
    FROM unnest({arrays}) WITH ORDINALITY AS given ({columns}, number)
) AS incoming
LEFT JOIN {table} AS target ON {is_same_key}
WHERE target.{first_key} IS NULL OR {target_row} *<> {incoming_row}
ORDER BY incoming.number;
