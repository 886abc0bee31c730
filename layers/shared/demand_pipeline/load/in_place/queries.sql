-- Statements of `load/in_place`, by name (see postgres/statements.py).

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

-- name: is_partitioned
SELECT FROM pg_class WHERE oid = to_regclass(:relation) AND relkind = 'p';

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
