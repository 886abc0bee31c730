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
