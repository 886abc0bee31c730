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
