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
