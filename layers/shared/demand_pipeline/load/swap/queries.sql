-- Statements of `load/swap`, by name (see postgres/statements.py).

-- name: unswappable
-- Problems that prevent the exchange of a table's partition, or properties that it would lose, and the solution of each.
WITH target AS (
    SELECT oid, relkind, relnamespace, relname, oid::regclass::text AS name
    FROM pg_class WHERE oid = to_regclass(:relation)
)
SELECT format('the foreign key %I of %s refers to it', conname, conrelid::regclass) AS problem,
       format('ALTER TABLE %s DROP CONSTRAINT %I;', conrelid::regclass, conname) AS statement, NULL AS advice
FROM target JOIN pg_constraint ON confrelid = target.oid AND contype = 'f' AND conparentid = 0
UNION ALL
-- Rows are copied to a table that is not a partition yet, where an identity column would get no values.
SELECT format('%I is an identity column', attname),
       format('ALTER TABLE %s ALTER COLUMN %2$I DROP IDENTITY, ALTER COLUMN %2$I DROP NOT NULL;', name, attname), NULL
FROM target JOIN pg_attribute ON attrelid = target.oid AND attidentity <> '' AND NOT attisdropped
UNION ALL
-- A swap does not fire triggers.
SELECT format('its trigger %I would not fire', tgname), format('DROP TRIGGER %I ON %s;', tgname, name), NULL
FROM target JOIN pg_trigger ON tgrelid = target.oid AND NOT tgisinternal
UNION ALL
-- Logical replication sends changes of rows, and a swap does not change rows.
SELECT format('the publication %I would not send its rows', pubname), NULL, 'leave the table out of the publication'
FROM target
JOIN pg_publication_tables ON (schemaname, tablename) IN (
    SELECT nspname, relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE pg_class.oid = target.oid
       OR pg_class.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = target.oid)
)
UNION ALL
SELECT format('the exclusion constraint %I cannot be built beforehand', conname),
       format('ALTER TABLE %s DROP CONSTRAINT %I;', name, conname), NULL
FROM target JOIN pg_constraint ON conrelid = target.oid AND contype = 'x'
UNION ALL
SELECT format('it belongs to %s', inhparent::regclass),
       format('ALTER TABLE %s %s;', CASE parent.relkind WHEN 'p' THEN inhparent ELSE inhrelid END::regclass,
              CASE parent.relkind WHEN 'p' THEN format('DETACH PARTITION %s', name)
                                  ELSE format('NO INHERIT %s', inhparent::regclass) END), NULL
FROM target JOIN pg_inherits ON inhrelid = target.oid JOIN pg_class AS parent ON parent.oid = inhparent
UNION ALL
SELECT format('%s inherits from it', inhrelid::regclass),
       format('ALTER TABLE %s NO INHERIT %s;', inhrelid::regclass, name), NULL
FROM target JOIN pg_inherits ON inhparent = target.oid
WHERE target.relkind = 'r'
UNION ALL
SELECT format('it has %s partitions that were not created by a swap', count(*)), NULL, 'load it with truncate or merge'
FROM target
JOIN pg_inherits ON inhparent = target.oid
JOIN pg_class AS partition ON partition.oid = inhrelid
WHERE target.relkind = 'p' AND pg_get_expr(partition.relpartbound, partition.oid) <> ALL (:bounds::text[])
  AND NOT (:any_list::boolean AND starts_with(pg_get_expr(partition.relpartbound, partition.oid), 'FOR VALUES IN '))
HAVING count(*) > 0;

-- name: inconvertible
-- Problems that prevent the conversion of a plain table to a partitioned parent, which is a new relation, and the solution
-- of each. `table_facts` finds properties that would be lost.
WITH target AS (
    SELECT oid, relnamespace, relowner, reltype, oid::regclass::text AS name
    FROM pg_class WHERE oid = to_regclass(:relation) AND relkind = 'r'
)
-- Views, functions, columns of its row type: all objects that refer to it by its OID.
SELECT DISTINCT format('%s depends on it', pg_describe_object(coalesce(view.classid, dependency.classid),
                                                             coalesce(view.objid, dependency.objid), 0)) AS problem,
       NULL AS statement, 'drop the dependent object, and create it again after the first swap' AS advice
FROM target
JOIN pg_depend AS dependency ON dependency.deptype = 'n'
     AND ((dependency.refclassid = 'pg_class'::regclass AND dependency.refobjid = target.oid)
       OR (dependency.refclassid = 'pg_type'::regclass
           AND dependency.refobjid IN (SELECT target.reltype
                                 UNION ALL SELECT typarray FROM pg_type WHERE pg_type.oid = target.reltype)))
-- A view depends on a table through its rule.
LEFT JOIN LATERAL (
    SELECT 'pg_class'::regclass::oid AS classid, ev_class AS objid FROM pg_rewrite
    WHERE dependency.classid = 'pg_rewrite'::regclass AND pg_rewrite.oid = dependency.objid
) AS view ON true
WHERE NOT (dependency.classid = 'pg_constraint'::regclass
           AND dependency.objid IN (SELECT oid FROM pg_constraint WHERE target.oid IN (conrelid, confrelid)))
  AND NOT (dependency.classid = 'pg_attrdef'::regclass
           AND dependency.objid IN (SELECT oid FROM pg_attrdef WHERE adrelid = target.oid))
  AND NOT (dependency.classid = 'pg_class'::regclass
           AND dependency.objid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = target.oid))
  AND dependency.classid NOT IN ('pg_policy'::regclass, 'pg_trigger'::regclass)
  AND NOT (dependency.classid = 'pg_rewrite'::regclass AND view.objid = target.oid)
UNION ALL
SELECT format('its unique index %s lacks the partitioning column %I', indexrelid::regclass, attname),
       CASE WHEN rule.oid IS NULL THEN format('DROP INDEX %s;', indexrelid::regclass)
            ELSE format('ALTER TABLE %s DROP CONSTRAINT %I;', name, conname) END, NULL
FROM target
JOIN pg_index ON indrelid = target.oid AND indisunique
JOIN pg_attribute ON attrelid = target.oid AND attname = :partitioned_by AND attnum <> ALL (indkey::int2[])
LEFT JOIN pg_constraint AS rule ON rule.conindid = indexrelid AND rule.conrelid = target.oid
UNION ALL
SELECT format('its constraint %I is NOT VALID', conname), format('ALTER TABLE %s VALIDATE CONSTRAINT %I;', name, conname), NULL
FROM target JOIN pg_constraint ON conrelid = target.oid AND NOT convalidated
UNION ALL
SELECT format('its constraint %I is NO INHERIT', conname),
       format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %2$I %s;', name, conname,
              regexp_replace(pg_get_constraintdef(pg_constraint.oid), ' NO INHERIT', '')), NULL
FROM target JOIN pg_constraint ON conrelid = target.oid AND contype = 'c' AND connoinherit
UNION ALL
-- A rehearsal omits foreign keys, since they lock the table that they refer to.
SELECT format('its owner lacks the privilege REFERENCES for its foreign key %I to %s', conname, confrelid::regclass),
       format('GRANT REFERENCES ON %s TO %I;', confrelid::regclass, pg_get_userbyid(relowner)), NULL
FROM target JOIN pg_constraint ON conrelid = target.oid AND contype = 'f'
WHERE NOT has_table_privilege(relowner, confrelid, 'REFERENCES')
UNION ALL
SELECT format('its owner %I may not create tables in its schema', pg_get_userbyid(relowner)),
       format('GRANT CREATE ON SCHEMA %s TO %I;', relnamespace::regnamespace, pg_get_userbyid(relowner)), NULL
FROM target WHERE NOT has_schema_privilege(relowner, relnamespace, 'CREATE');

-- name: table_facts
-- All properties of a table in the catalog, by object: the properties as JSON, and the statement that removes the object. A
-- property is a column of the catalog, including columns that later versions add. The omitted columns identify an object,
-- describe its location or size, or always differ between a plain and a partitioned table. Foreign keys (`inconvertible`)
-- and storage settings, which belong to partitions, are omitted as well.
WITH target AS (
    SELECT pg_class.*, format('%I.%I', nspname, relname) AS name
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = to_regclass(:relation)
), indexes AS (
    SELECT pg_index.*, target.name AS owner, class.relname, class.reloptions, class.reltablespace,
           format('%I.%I', nspname, class.relname) AS name
    FROM target
    JOIN pg_index ON indrelid = target.oid
    JOIN pg_class AS class ON class.oid = indexrelid
    JOIN pg_namespace ON pg_namespace.oid = class.relnamespace
)
SELECT 'the table' AS object, NULL AS removal,
       (to_jsonb(pg_class) || jsonb_build_object('comment', obj_description(pg_class.oid, 'pg_class')))
       - '{{oid, relname, relnamespace, reltype, reloftype, relowner, relam, relfilenode, reltablespace, relpages, reltuples,
           relallvisible, relallfrozen, reltoastrelid, relhasindex, relpersistence, relkind, relnatts, relchecks, relhasrules,
           relhastriggers, relhassubclass, relrowsecurity, relispopulated, relreplident, relispartition, relrewrite,
           relfrozenxid, relminmxid, relacl, reloptions, relpartbound}}'::text[] AS properties
FROM target JOIN pg_class ON pg_class.oid = target.oid
UNION ALL
SELECT format('the column %I', attname), NULL,
       (to_jsonb(pg_attribute) || jsonb_build_object('comment', col_description(attrelid, attnum),
                                                     'expression', pg_get_expr(adbin, adrelid)))
       - '{{attrelid, attnum, attndims, attcacheoff, attacl, atthasmissing, attmissingval, attidentity, attislocal,
           attinhcount}}'::text[]
FROM target
JOIN pg_attribute ON attrelid = target.oid AND attnum > 0 AND NOT attisdropped
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
UNION ALL
SELECT format('the constraint %I', conname), format('ALTER TABLE %s DROP CONSTRAINT %I', name, conname),
       (to_jsonb(pg_constraint) || jsonb_build_object('comment', obj_description(pg_constraint.oid, 'pg_constraint'),
                                                      'definition', pg_get_constraintdef(pg_constraint.oid)))
       - '{{oid, conname, connamespace, conrelid, conindid, conislocal, coninhcount, conkey, conbin}}'::text[]
       - CASE WHEN contype = 'c' THEN '' ELSE 'connoinherit' END
FROM target JOIN pg_constraint ON conrelid = target.oid AND contype <> 'f'
UNION ALL
SELECT format('the index %I', relname),
       coalesce('ALTER TABLE ' || owner || ' DROP CONSTRAINT ' || quote_ident(conname), 'DROP INDEX ' || name),
       (to_jsonb(pg_index) || jsonb_build_object(
           'comment', obj_description(pg_index.indexrelid, 'pg_class'),
           'columns', ARRAY(SELECT pg_get_indexdef(pg_index.indexrelid, number, false)
                            FROM generate_series(1, pg_index.indnatts::int) AS number),
           'predicate', pg_get_expr(pg_index.indpred, pg_index.indrelid)))
       - '{{indexrelid, indrelid, indisclustered, indisreplident, indcheckxmin, indkey, indexprs, indpred}}'::text[]
FROM indexes JOIN pg_index USING (indexrelid)
LEFT JOIN pg_constraint ON conindid = indexrelid AND contype IN ('p', 'u')
UNION ALL
SELECT format('the settings of the index %I', relname),
       format('ALTER INDEX %s RESET (%s)', name, (SELECT string_agg(option_name, ', ') FROM pg_options_to_table(reloptions))),
       jsonb_build_object('options', reloptions)
FROM indexes WHERE reloptions IS NOT NULL
UNION ALL
SELECT format('the CLUSTER mark of the index %I', relname), format('ALTER TABLE %s SET WITHOUT CLUSTER', owner), '{{}}'
FROM indexes WHERE indisclustered
UNION ALL
SELECT format('the tablespace of the index %I', relname), format('ALTER INDEX %s SET TABLESPACE pg_default', name), '{{}}'
FROM indexes WHERE reltablespace <> 0
UNION ALL
SELECT format('the statistics target of the index %I', relname),
       format('ALTER INDEX %s ALTER COLUMN %s SET STATISTICS -1', name, attnum), '{{}}'
FROM indexes JOIN pg_attribute ON attrelid = indexrelid AND attstattarget >= 0
UNION ALL
SELECT format('its tablespace %I', spcname), format('ALTER TABLE %s SET TABLESPACE pg_default', name), '{{}}'
FROM target JOIN pg_tablespace ON pg_tablespace.oid = reltablespace
UNION ALL
SELECT format('its access method %I', amname),
       format('ALTER TABLE %s SET ACCESS METHOD %s', name, current_setting('default_table_access_method')), '{{}}'
FROM target JOIN pg_am ON pg_am.oid = relam WHERE amname <> current_setting('default_table_access_method')
UNION ALL
SELECT 'its UNLOGGED property', format('ALTER TABLE %s SET LOGGED', name), '{{}}' FROM target WHERE relpersistence = 'u'
UNION ALL
SELECT format('its type %s', reloftype::regtype), format('ALTER TABLE %s NOT OF', name), '{{}}'
FROM target WHERE reloftype <> 0
UNION ALL
SELECT 'its row-level security', format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', name), '{{}}'
FROM target WHERE relrowsecurity
UNION ALL
SELECT 'its REPLICA IDENTITY', format('ALTER TABLE %s REPLICA IDENTITY DEFAULT', name),
       jsonb_build_object('kind', relreplident)
FROM target
WHERE relreplident <> 'd'
  -- A table without a key and each of its partitions are set to FULL by the load.
  AND NOT (relreplident = 'f' AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = target.oid AND indisprimary))
UNION ALL
SELECT format('the policy %I', polname), format('DROP POLICY %I ON %s', polname, name), '{{}}'
FROM target JOIN pg_policy ON polrelid = target.oid
UNION ALL
SELECT format('the rule %I', rulename), format('DROP RULE %I ON %s', rulename, name), '{{}}'
FROM target JOIN pg_rewrite ON ev_class = target.oid
UNION ALL
SELECT format('the statistics object %I.%I', nspname, stxname), format('DROP STATISTICS %I.%I', nspname, stxname), '{{}}'
FROM target JOIN pg_statistic_ext ON stxrelid = target.oid JOIN pg_namespace ON pg_namespace.oid = stxnamespace
UNION ALL
SELECT format('the ownership of the sequence %s', objid::regclass),
       format('ALTER SEQUENCE %s OWNED BY NONE', objid::regclass), '{{}}'
FROM target
JOIN pg_depend ON classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass
              AND refobjid = target.oid AND deptype = 'a'
JOIN pg_class AS sequence ON sequence.oid = objid AND sequence.relkind = 'S'
UNION ALL
SELECT format('its membership of the extension %I', extname), format('ALTER EXTENSION %I DROP TABLE %s', extname, name), '{{}}'
FROM target
JOIN pg_depend ON classid = 'pg_class'::regclass AND objid = target.oid AND refclassid = 'pg_extension'::regclass
JOIN pg_extension ON pg_extension.oid = refobjid
UNION ALL
SELECT format('the security label of %s', provider), NULL, jsonb_build_object('column', objsubid, 'label', label)
FROM target JOIN pg_seclabel ON classoid = 'pg_class'::regclass AND objoid = target.oid
UNION ALL
SELECT format('the grant of %s%s to %s', privilege_type, ' (' || quote_ident(attname) || ')',
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END), NULL,
       jsonb_build_object('grantable', bool_or(is_grantable))
FROM (
    SELECT NULL::name AS attname, entry.* FROM target, aclexplode(relacl) AS entry
    WHERE grantee <> relowner AND pg_get_userbyid(grantee) <> current_user
    UNION ALL
    SELECT attname, entry.* FROM target JOIN pg_attribute ON attrelid = target.oid, aclexplode(attacl) AS entry
) AS granted
GROUP BY attname, grantee, privilege_type;

-- name: relation_kind
SELECT relkind::text FROM pg_class WHERE oid = to_regclass(:relation);

-- name: create_parent
CREATE TABLE {parent} (LIKE {table} INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY EXCLUDING STATISTICS)
PARTITION BY {partition_by};

-- name: create_shadow_like
CREATE TABLE {shadow} (LIKE {parent} INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY EXCLUDING COMMENTS)
WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off);

-- name: create_default_partition
CREATE TABLE {partition} PARTITION OF {parent} DEFAULT;
ALTER TABLE {partition} REPLICA IDENTITY FULL;

-- name: add_primary_key
ALTER TABLE {table} ADD PRIMARY KEY ({key});

-- name: index_names
SELECT format('%I.%I', nspname, relname), relname::text
FROM pg_index
JOIN pg_class ON pg_class.oid = indexrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE indrelid = to_regclass(:relation);

-- name: rename_index
ALTER INDEX {index} RENAME TO {new_name};

-- name: alter_table
ALTER TABLE {table} {actions};

-- name: create_logged_shadow
CREATE TABLE {shadow} ({definition}) WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off);

-- name: comments_and_grants
-- The statements that copy comments and grants from a table to another with the same names of constraints and indexes.
WITH target AS (
    SELECT oid, relacl, relowner FROM pg_class WHERE oid = to_regclass(:relation)
), given AS (
    SELECT to_regclass(:target) AS oid, format('%I', nspname) AS schema
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = to_regclass(:target)
)
SELECT format('COMMENT ON TABLE %s IS %L', :target::text, obj_description(oid, 'pg_class'))
FROM target WHERE obj_description(oid, 'pg_class') IS NOT NULL
UNION ALL
SELECT format('COMMENT ON INDEX %s.%I IS %L', schema, relname, obj_description(indexrelid, 'pg_class'))
FROM target JOIN pg_index ON indrelid = target.oid AND indisvalid JOIN pg_class ON pg_class.oid = indexrelid, given
WHERE obj_description(indexrelid, 'pg_class') IS NOT NULL
UNION ALL
SELECT format('COMMENT ON CONSTRAINT %I ON %s IS %L', conname, :target::text, obj_description(pg_constraint.oid, 'pg_constraint'))
FROM target JOIN pg_constraint ON conrelid = target.oid
WHERE obj_description(pg_constraint.oid, 'pg_constraint') IS NOT NULL
  AND conname IN (SELECT own.conname FROM given JOIN pg_constraint AS own ON own.conrelid = given.oid)
UNION ALL
SELECT format('GRANT %s ON %s TO %s%s', string_agg(privilege_type, ', '), :target::text,
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
              CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM target, aclexplode(relacl) WHERE grantee <> relowner GROUP BY grantee, is_grantable
UNION ALL
SELECT format('GRANT %s (%I) ON %s TO %s%s', privilege_type, attname, :target::text,
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
              CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM target JOIN pg_attribute ON attrelid = target.oid AND attacl IS NOT NULL, aclexplode(attacl);

-- name: revocations
-- The statements that revoke all privileges on tables and on their columns, except for the privileges of the owners.
SELECT DISTINCT format('REVOKE ALL ON %I.%I FROM %s CASCADE', nspname, relname,
                       CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
FROM unnest(:relations::text[]) AS given (name)
JOIN pg_class ON pg_class.oid = to_regclass(given.name)
JOIN pg_namespace ON pg_namespace.oid = relnamespace,
LATERAL (
    SELECT grantee FROM aclexplode(relacl)
    UNION SELECT grantee FROM pg_attribute, aclexplode(attacl) WHERE attrelid = pg_class.oid
) AS granted
WHERE grantee <> relowner;

-- name: table_settings
-- The statements that copy properties which LIKE does not copy: statistics targets and options of columns, REPLICA IDENTITY.
SELECT format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS %s', :target::text, attname, attstattarget)
FROM pg_attribute WHERE attrelid = to_regclass(:relation) AND attnum > 0 AND NOT attisdropped AND attstattarget >= 0
UNION ALL
SELECT format('ALTER TABLE %s ALTER COLUMN %I SET (%s)', :target::text, attname, array_to_string(attoptions, ', '))
FROM pg_attribute WHERE attrelid = to_regclass(:relation) AND attnum > 0 AND NOT attisdropped AND attoptions IS NOT NULL
UNION ALL
SELECT format('ALTER TABLE %s REPLICA IDENTITY %s', :target::text, CASE relreplident WHEN 'f' THEN 'FULL' ELSE 'NOTHING' END)
FROM pg_class WHERE oid = to_regclass(:relation) AND relreplident IN ('f', 'n');

-- name: storage_settings
-- The statements that give a table exactly the storage settings of another.
WITH settings (name, value) AS (
    SELECT option_name, option_value
    FROM pg_class, pg_options_to_table(reloptions) WHERE pg_class.oid = to_regclass(:relation)
    UNION ALL
    SELECT 'toast.' || option_name, option_value
    FROM pg_class AS class JOIN pg_class AS toast ON toast.oid = class.reltoastrelid,
         pg_options_to_table(toast.reloptions)
    WHERE class.oid = to_regclass(:relation)
)
SELECT format('ALTER TABLE %s RESET (autovacuum_enabled, toast.autovacuum_enabled)', :target::text)
UNION ALL
SELECT format('ALTER TABLE %s SET (%s)', :target::text, string_agg(format('%s = %L', name, value), ', '))
FROM settings HAVING count(*) > 0;

-- name: partitions
-- A parent's partitions: the quoted name, the plain name and the bound of each.
SELECT format('%I.%I', nspname, relname), relname::text, pg_get_expr(relpartbound, pg_class.oid)
FROM pg_inherits
JOIN pg_class ON pg_class.oid = inhrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE inhparent = to_regclass(:relation);

-- name: alignment
-- The statements that give a table the columns and rules of the parent that it will be attached to.
WITH parent AS (
    SELECT pg_attribute.*, pg_get_expr(adbin, adrelid) AS expression
    FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = to_regclass(:parent) AND attnum > 0 AND NOT attisdropped
), child AS (
    SELECT * FROM pg_attribute WHERE attrelid = to_regclass(:child) AND attnum > 0 AND NOT attisdropped
)
SELECT statement
FROM (
    SELECT 1, format('ALTER TABLE %s ADD COLUMN %I %s%s%s%s', :child::text, parent.attname,
                     format_type(parent.atttypid, parent.atttypmod),
                     (SELECT format(' COLLATE %I.%I', nspname, collname)
                      FROM pg_collation JOIN pg_namespace ON pg_namespace.oid = collnamespace
                      WHERE pg_collation.oid = parent.attcollation),
                     CASE WHEN parent.attgenerated = 's' THEN format(' GENERATED ALWAYS AS (%s) STORED', expression)
                          WHEN expression IS NOT NULL THEN ' DEFAULT ' || expression END,
                     CASE WHEN parent.attnotnull THEN ' NOT NULL' END)
    FROM parent WHERE attname NOT IN (SELECT attname FROM child)
    UNION ALL
    SELECT 2, format('ALTER TABLE %s DROP COLUMN %I', :child::text, attname)
    FROM child WHERE attname NOT IN (SELECT attname FROM parent) AND attname <> ALL (:kept::text[])
    UNION ALL
    SELECT 3, format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', :child::text, attname)
    FROM parent JOIN child USING (attname) WHERE parent.attnotnull AND NOT child.attnotnull
    UNION ALL
    -- A partition's CHECK must be valid, even if the parent's CHECK is NOT VALID: all its rows are new.
    SELECT 4, format('ALTER TABLE %s %sADD CONSTRAINT %I %s', :child::text,
                     CASE WHEN own.oid IS NOT NULL THEN format('DROP CONSTRAINT %I, ', own.conname) END, rule.conname,
                     definition)
    FROM pg_constraint AS rule
    CROSS JOIN LATERAL regexp_replace(pg_get_constraintdef(rule.oid), ' NOT VALID$', '') AS definition
    LEFT JOIN pg_constraint AS own ON own.conrelid = to_regclass(:child) AND own.contype = 'c' AND own.conname = rule.conname
    WHERE rule.conrelid = to_regclass(:parent) AND rule.contype = 'c' AND NOT rule.connoinherit
      AND pg_get_constraintdef(own.oid) IS DISTINCT FROM definition
) AS statements (number, statement)
ORDER BY number;

-- name: index_builds
-- The indexes that a table lacks, compared with its future parent: the name of each there, and the statement that creates
-- it, which uses this name only if :named.
-- ATTACH PARTITION builds missing indexes while readers wait. In the order of OIDs, it matches each index of the parent with
-- the first free index of the partition of the same kind; an index of a constraint matches only an index of a constraint. So
-- within a kind, the nth index of the partition must equal the nth index of the parent; otherwise it is dropped, and built
-- again at the end. Indexes are equal if their definitions after the table's name are equal, or if their constraints are.
WITH indexes AS (
    SELECT index.indrelid, index.indexrelid, class.relname, rule.definition AS rule, kind,
           row_number() OVER (PARTITION BY index.indrelid, kind ORDER BY index.indexrelid) AS number,
           CASE WHEN index.indisunique THEN 'UNIQUE ' ELSE '' END AS uniqueness,
           substr(pg_get_indexdef(index.indexrelid),
                  length(format('CREATE %sINDEX %I ON %s%I.%I ',
                                CASE WHEN index.indisunique THEN 'UNIQUE ' ELSE '' END, class.relname,
                                CASE class.relkind WHEN 'I' THEN 'ONLY ' ELSE '' END, nspname, owner.relname)) + 1)
               AS definition,
           CASE WHEN rule.definition IS NULL THEN format('DROP INDEX %I.%I; ', nspname, class.relname)
                ELSE format('ALTER TABLE %I.%I DROP CONSTRAINT %I; ', nspname, owner.relname, class.relname) END AS removal
    FROM pg_index AS index
    JOIN pg_class AS class ON class.oid = index.indexrelid
    JOIN pg_class AS owner ON owner.oid = index.indrelid
    JOIN pg_namespace ON pg_namespace.oid = owner.relnamespace
    -- The properties that PostgreSQL compares (CompareIndexInfo).
    CROSS JOIN LATERAL jsonb_build_array(
        index.indisunique, to_jsonb(index) -> 'indnullsnotdistinct', class.relam, index.indnkeyatts,
        ARRAY(SELECT pg_get_indexdef(index.indexrelid, place, false) FROM generate_series(1, index.indnatts::int) AS place),
        index.indcollation::oid[],
        ARRAY(SELECT opcfamily FROM unnest(index.indclass::oid[]) WITH ORDINALITY AS used (class, place)
              JOIN pg_opclass ON pg_opclass.oid = used.class ORDER BY place),
        pg_get_expr(index.indpred, index.indrelid)) AS kind
    LEFT JOIN LATERAL (
        SELECT pg_get_constraintdef(oid) AS definition
        FROM pg_constraint WHERE conindid = index.indexrelid AND contype IN ('p', 'u', 'x')
    ) AS rule ON true
    WHERE index.indrelid IN (to_regclass(:parent), to_regclass(:child)) AND index.indisvalid
)
SELECT wanted.relname::text,
       concat(own.removal, CASE WHEN wanted.rule IS NULL
           THEN format('CREATE %sINDEX %s ON %s %s', wanted.uniqueness, name, :child::text, wanted.definition)
           ELSE format('ALTER TABLE %s ADD %s%s', :child::text, 'CONSTRAINT ' || name || ' ', wanted.rule) END)
FROM indexes AS wanted
CROSS JOIN LATERAL (SELECT CASE WHEN :named::boolean THEN quote_ident(wanted.relname) END AS name) AS given
LEFT JOIN indexes AS own
       ON own.indrelid = to_regclass(:child) AND own.kind = wanted.kind AND own.number = wanted.number
WHERE wanted.indrelid = to_regclass(:parent)
  AND CASE WHEN wanted.rule IS NULL AND own.rule IS NULL THEN own.definition IS DISTINCT FROM wanted.definition
           ELSE own.rule IS DISTINCT FROM wanted.rule END
ORDER BY wanted.indexrelid;

-- name: foreign_key_builds
-- The foreign keys that a table lacks, compared with its future parent: the name of each, and the statement that adds it.
SELECT rule.conname::text,
       CASE WHEN own.oid IS NULL
            THEN format('ALTER TABLE %s ADD CONSTRAINT %I %s', :child::text, rule.conname, pg_get_constraintdef(rule.oid))
            ELSE format('ALTER TABLE %s VALIDATE CONSTRAINT %I', :child::text, rule.conname) END
FROM pg_constraint AS rule
LEFT JOIN pg_constraint AS own ON own.conrelid = to_regclass(:child) AND own.conname = rule.conname AND own.contype = 'f'
WHERE rule.conrelid = to_regclass(:parent) AND rule.contype = 'f' AND rule.conparentid = 0
  AND own.convalidated IS NOT TRUE;

-- name: count_indexes
SELECT count(*) FROM pg_index WHERE indrelid IN (SELECT to_regclass(name) FROM unnest(:relations::text[]) AS given (name));

-- name: lock_builder
-- The lock on this row lets only one session at a time check which session builds.
INSERT INTO {ledger} (chunk) VALUES (:entry) ON CONFLICT (chunk) DO UPDATE SET chunk = excluded.chunk;

-- name: claim_builds
-- Records this session, by process id and start, as the one that builds, unless the recorded session still exists.
UPDATE {ledger} AS builder
SET rows = own.pid, touched_at = own.backend_start
FROM pg_catalog.pg_stat_activity AS own
WHERE chunk OPERATOR(pg_catalog.=) :entry
  AND own.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_stat_activity AS last
      WHERE last.pid OPERATOR(pg_catalog.=) builder.rows
        AND last.backend_start OPERATOR(pg_catalog.=) builder.touched_at
  );

-- name: outlive_client
-- The session finishes its current statement even after its client has disconnected. Then it ends, even if the client hangs.
SELECT set_config('client_connection_check_interval', '0', false),
       set_config('statement_timeout', '0', false),
       set_config('idle_session_timeout', :idle, false);

-- name: make_statistics_rough
-- A tenth of the usual sample takes a tenth of the time; it is enough to plan queries until the ANALYZE after a swap.
SET default_statistics_target = 10;

-- name: vacuum
VACUUM (ANALYZE) {table};

-- name: old_snapshots
-- Process ids of sessions with a snapshot that may not see every chunk of the ledger. While a transaction writes, the xmin
-- of all later snapshots is old too. Autovacuum (no role) and replication senders read no rows; the query does not rely on
-- type, state and query of sessions, which PostgreSQL hides for other roles.
SELECT activity.pid
FROM pg_stat_activity AS activity
WHERE activity.datname = current_database()
  AND activity.pid <> pg_backend_pid()
  AND activity.usesysid IS NOT NULL
  -- Excluded: other loads, which wait for each other, and builds.
  AND NOT (activity.usename = current_user AND activity.application_name ~ '^demand-pipeline (build _[0-9a-f]{{12}}|[^ ]+)$')
  AND activity.pid NOT IN (SELECT pid FROM pg_stat_replication)
  AND age(activity.backend_xmin) >= (SELECT min(age(entry.xmin)) FROM {ledger} AS entry WHERE table_name IS NOT NULL)
ORDER BY activity.pid;

-- name: detach
ALTER TABLE {parent} DETACH PARTITION {partition};

-- name: attach
ALTER TABLE {parent} ATTACH PARTITION {partition} {bound};

-- name: move_table
ALTER TABLE {table} SET SCHEMA {schema};

-- name: rename_table
ALTER TABLE {table} RENAME TO {new_name};

-- name: describe_previous
SELECT format('COMMENT ON TABLE %s IS %L', :relation::text, :comment::text);

-- name: comment_on
SELECT obj_description(to_regclass(:relation), 'pg_class');

-- name: previous_grants
-- The statements that grant a table's readers access to its former partition; none if row-level security is enabled.
WITH parent AS (
    SELECT oid, relacl, relowner FROM pg_class WHERE oid = to_regclass(:parent) AND NOT relrowsecurity
), readers AS (
    SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS reader, attname
    FROM (
        SELECT grantee, NULL::name AS attname FROM parent, aclexplode(relacl)
        WHERE privilege_type = 'SELECT' AND grantee <> relowner
        UNION ALL
        SELECT grantee, attname
        FROM parent JOIN pg_attribute ON attrelid = parent.oid AND attacl IS NOT NULL, aclexplode(attacl)
        WHERE privilege_type = 'SELECT'
          AND attname IN (SELECT own.attname FROM pg_attribute AS own
                          WHERE own.attrelid = to_regclass(:previous) AND NOT own.attisdropped)
    ) AS granted
)
SELECT format('GRANT SELECT%s ON %s TO %s', ' (' || quote_ident(attname) || ')', :previous::text, reader) FROM readers
WHERE to_regclass(:previous) IS NOT NULL
UNION ALL
SELECT DISTINCT format('GRANT USAGE ON SCHEMA %I TO %s', nspname, reader)
FROM readers, pg_namespace
WHERE nspname = :schema AND pg_has_role(nspowner, 'USAGE');

-- name: last_loaded
-- Number of rows and name of the last run that loaded a table and was not rolled back.
SELECT loaded, run_id
FROM {schema}.pipeline_run_tables JOIN {schema}.pipeline_runs USING (run_id)
WHERE table_name = :table AND status = 'committed'
ORDER BY committed_at DESC
LIMIT 1;

-- name: last_run
SELECT run_id, status, rolled_back_at, rolled_back_by FROM {schema}.pipeline_runs ORDER BY committed_at DESC LIMIT 1;

-- name: tables_of_run
SELECT table_name FROM {schema}.pipeline_run_tables WHERE run_id = :run ORDER BY table_name;

-- name: mark_rolled_back
UPDATE {schema}.pipeline_runs
SET status = :status, rolled_back_at = pg_catalog.clock_timestamp(), rolled_back_by = :by,
    rolled_back_reason = :reason
WHERE run_id OPERATOR(pg_catalog.=) :run;

-- name: count_differences
-- The numbers of added, removed and changed rows, and of changed values by column.
SELECT count(*) FILTER (WHERE {was_added}), count(*) FILTER (WHERE {was_removed}), count(*) FILTER (WHERE {was_changed}),
       ARRAY[{changed_columns}]::bigint[]
FROM {current} AS current FULL JOIN {previous} AS previous ON {is_same_key};

-- name: sample_differences
SELECT jsonb_build_array({key})::text, array_remove(ARRAY[{names}]::text[], NULL)
FROM {current} AS current FULL JOIN {previous} AS previous ON {is_same_key}
WHERE {is_wanted}
LIMIT :samples;

-- name: create_previous_like
CREATE TABLE {previous} (LIKE {parent} INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY EXCLUDING COMMENTS);

-- name: add_check
ALTER TABLE {table} ADD CHECK ({check}), REPLICA IDENTITY FULL;

-- name: move_rejects
WITH moved AS (DELETE FROM {parent} WHERE table_name OPERATOR(pg_catalog.=) :table RETURNING *)
INSERT INTO {previous} SELECT * FROM moved;
