-- The setting ends with the savepoint; once the locks are taken, it stays for the rest of the transaction:
-- while readers are locked out, nothing is worth a longer wait.
SAVEPOINT try_lock;
SET LOCAL lock_timeout = '200ms';
