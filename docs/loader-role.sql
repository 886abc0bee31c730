-- The role that the load connects as, with what it needs and no more. RDS's master user can run this, and so can any
-- owner of the database with CREATEROLE; on PostgreSQL 14 to 18, as often as you like, also when the load has made its
-- tables. Run it in the warehouse's database. RDS's DBName takes no hyphen, so make the database and the readers' role:
--   psql -d postgres -c 'CREATE DATABASE "invoice-transactions-dev-dw"' -c 'CREATE ROLE analysts'
--   psql -d invoice-transactions-dev-dw -v schema=warehouse -v readers=analysts -f docs/loader-role.sql
-- Set its password where no log shows it (\password demand_loader), and put both into the secret.

\set ON_ERROR_STOP on
BEGIN;

SELECT 'CREATE ROLE demand_loader LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'demand_loader') \gexec

-- Who is no superuser must be a member of a role to grant what it owns, and to make it the owner of a table
-- (docs/adopt.md). From PostgreSQL 16 on, CREATEROLE alone does not make a member.
GRANT demand_loader TO CURRENT_USER;

-- TEMPORARY: rows are staged in temporary tables.
GRANT CONNECT, TEMPORARY ON DATABASE :"DBNAME" TO demand_loader;

-- CREATE: the load makes the tables, and as their owner may do with them what either LoadStrategy takes: add columns,
-- truncate, rebuild indexes, update, delete, analyze. It need not own the schema.
CREATE SCHEMA IF NOT EXISTS :"schema";
GRANT USAGE, CREATE ON SCHEMA :"schema" TO demand_loader;

-- What readers see: the loader's tables that are there, and those that it is going to make.
GRANT USAGE ON SCHEMA :"schema" TO :"readers";
SELECT format('GRANT SELECT ON %I.%I TO %I', schemaname, tablename, :'readers')
FROM pg_tables
WHERE schemaname = :'schema' AND tableowner = 'demand_loader' \gexec
ALTER DEFAULT PRIVILEGES FOR ROLE demand_loader IN SCHEMA :"schema" GRANT SELECT ON TABLES TO :"readers";

COMMIT;
