-- Nothing if there is no such relation; else its kind and the columns of its primary key in order (null: it has none).
SELECT relation.relkind::text AS kind,
       (SELECT array_agg(attribute.attname::text ORDER BY key.position)
        FROM pg_index AS index
        CROSS JOIN unnest(index.indkey::int2[]) WITH ORDINALITY AS key (number, position)
        JOIN pg_attribute AS attribute ON attribute.attrelid = index.indrelid AND attribute.attnum = key.number
        WHERE index.indrelid = relation.oid AND index.indisprimary) AS key
FROM pg_class AS relation
WHERE relation.oid = to_regclass(:relation);
