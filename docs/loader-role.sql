-- The role that the load connects as, with what it needs and no more. Run once, by the database's owner:
--   psql -v database=invoice-transactions-dev-dw -v schema=warehouse -v readers=analysts -f docs/loader-role.sql
-- Set its password where no log shows it (\password demand_loader), and put both into the secret.

CREATE ROLE demand_loader LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;

-- TEMPORARY: rows are staged in temporary tables.
GRANT CONNECT, TEMPORARY ON DATABASE :"database" TO demand_loader;

-- CREATE: the load makes the tables, and as their owner may do with them what either LoadStrategy takes: add columns,
-- truncate, make indexes anew, update, delete, analyze. It need not own the schema.
CREATE SCHEMA IF NOT EXISTS :"schema";
GRANT USAGE, CREATE ON SCHEMA :"schema" TO demand_loader;

-- What readers see: tables that are there, and those that the load is going to make.
GRANT USAGE ON SCHEMA :"schema" TO :"readers";
GRANT SELECT ON ALL TABLES IN SCHEMA :"schema" TO :"readers";
ALTER DEFAULT PRIVILEGES FOR ROLE demand_loader IN SCHEMA :"schema" GRANT SELECT ON TABLES TO :"readers";
