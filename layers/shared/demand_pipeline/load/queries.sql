-- Statements of `load`, by name (see postgres/statements.py).

-- name: limit_session
SELECT set_config('statement_timeout', :milliseconds, false);

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

-- name: relation_exists
SELECT to_regclass(:relation) IS NOT NULL;

-- name: count_blocks
SELECT pg_relation_size(:relation::regclass) / current_setting('block_size')::bigint;

-- name: analyze
ANALYZE {table};

-- name: common_columns
-- The columns with the same name and type in two tables, in order.
SELECT current.attname::text
FROM pg_attribute AS current
JOIN pg_attribute AS previous
  ON previous.attname = current.attname AND previous.atttypid = current.atttypid AND NOT previous.attisdropped
WHERE current.attrelid = to_regclass(:current) AND previous.attrelid = to_regclass(:previous)
  AND current.attnum > 0 AND NOT current.attisdropped
ORDER BY current.attnum;
