-- All locks of an attempt together wait for less than deadlock_timeout. A partition, or a table that inherits, is locked
-- with its parent. The setting ends with the savepoint; once the locks are taken, it stays for the rest of the
-- transaction: while readers are locked out, nothing is worth a longer wait.
WITH RECURSIVE locked AS (
    SELECT to_regclass(name)::oid AS relation FROM unnest(:relations::text[]) AS given (name)
    UNION
    SELECT inhrelid FROM pg_inherits JOIN locked ON inhparent = relation
)
SELECT set_config('lock_timeout', (0.8 * (SELECT setting::int FROM pg_settings WHERE name = 'deadlock_timeout')
                                   / count(*))::int::text, true)
FROM locked;
