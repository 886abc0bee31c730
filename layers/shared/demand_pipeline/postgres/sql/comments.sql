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
