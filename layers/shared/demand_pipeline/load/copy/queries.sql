-- Statements of `load/copy`, by name (see postgres/statements.py).

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
INSERT INTO {ledger} (chunk) VALUES (:entry) ON CONFLICT (chunk) DO UPDATE SET touched_at = pg_catalog.clock_timestamp();

-- name: claim_chunk
INSERT INTO {ledger} (chunk, table_name, rows, rejects) VALUES (:entry, :table, :rows, :rejects)
ON CONFLICT (chunk) DO NOTHING;

-- name: complete_chunk
UPDATE {ledger}
SET seconds = extract(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) touched_at),
    touched_at = pg_catalog.clock_timestamp(),
    drift = :drift::jsonb
WHERE chunk OPERATOR(pg_catalog.=) :entry;

-- name: claim_step
INSERT INTO {ledger} (chunk) VALUES (:entry) ON CONFLICT (chunk) DO NOTHING;

-- name: count_calls
-- `rows` is the number of entries at the last call, `rejects` the number of calls that found the same number.
INSERT INTO {ledger} AS calls (chunk, rows, rejects)
SELECT :entry::text, pg_catalog.count(*), 1 FROM {ledger} WHERE chunk OPERATOR(pg_catalog.<>) :entry::text
ON CONFLICT (chunk) DO UPDATE
SET rejects = CASE WHEN calls.rows OPERATOR(pg_catalog.=) excluded.rows THEN calls.rejects OPERATOR(pg_catalog.+) 1 ELSE 1 END,
    rows = excluded.rows,
    touched_at = pg_catalog.clock_timestamp()
RETURNING rejects;

-- name: complete_export_part
UPDATE {ledger} SET export = :part::jsonb, touched_at = pg_catalog.clock_timestamp()
WHERE chunk OPERATOR(pg_catalog.=) :entry;

-- name: export_parts
SELECT export FROM {ledger} WHERE starts_with(chunk, :prefix) ORDER BY chunk;

-- name: forget_steps
DELETE FROM {ledger} WHERE pg_catalog.starts_with(chunk, :prefix);

-- name: copied_chunks
SELECT chunk FROM {ledger} WHERE table_name IS NOT NULL;

-- name: copied_totals
SELECT table_name, sum(rows), sum(rejects), sum(seconds) FROM {ledger} WHERE table_name IS NOT NULL GROUP BY table_name;

-- name: copy_in
COPY {table} ({columns}) FROM STDIN WITH {options};

-- name: copy_out
-- The rows in a range of a table's blocks, the end excluded.
COPY (SELECT {columns} FROM {table} WHERE ctid >= '({first},0)' AND ctid < '({end},0)') TO STDOUT WITH (FORMAT csv, {header});

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
