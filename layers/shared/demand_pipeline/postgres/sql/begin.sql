-- READ COMMITTED: what is asked after waiting for a lock must see what its last holder committed.
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
