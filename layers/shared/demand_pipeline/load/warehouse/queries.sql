-- Statements of `load/warehouse`, by name (see postgres/statements.py).


-- Sessions ------------------------------------------------------------------------------------------------------------

-- name: limit_lock_waits
SELECT set_config('lock_timeout', :seconds, true);


-- Locks ---------------------------------------------------------------------------------------------------------------

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


-- Tables --------------------------------------------------------------------------------------------------------------

-- name: create_schema
CREATE SCHEMA IF NOT EXISTS {schema};

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


-- Shadows -------------------------------------------------------------------------------------------------------------

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


-- Refused rows --------------------------------------------------------------------------------------------------------

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

-- name: create_probe
CREATE UNLOGGED TABLE {probe} (LIKE {table} INCLUDING ALL EXCLUDING IDENTITY EXCLUDING COMMENTS EXCLUDING STATISTICS);

-- name: fill_probe
INSERT INTO {probe} ({columns})
SELECT {columns} FROM {rows} WHERE ctid OPERATOR(pg_catalog.>=) {first} AND ctid OPERATOR(pg_catalog.<) {end};


-- The pipeline's own tables -------------------------------------------------------------------------------------------

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
