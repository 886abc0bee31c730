-- The role of the load, with the least privileges that it needs. RDS's master user can run this, and so can any owner of
-- the database with CREATEROLE, on PostgreSQL 14 to 18, repeatedly, also after the load has created its tables. Run it in
-- the warehouse's database. RDS's DBName takes no hyphen, so create the database and the readers' role first:
--   psql -d postgres -c 'CREATE DATABASE "invoice-transactions-dev-dw"' -c 'CREATE ROLE analysts'
--   psql -d invoice-transactions-dev-dw -v schema=warehouse -v readers=analysts -f docs/loader-role.sql
-- Set its password where no log shows it (\password demand_loader), and write its name and password to the secret.

\set ON_ERROR_STOP on
BEGIN;

SELECT 'CREATE ROLE demand_loader LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'demand_loader') \gexec

-- Without superuser, only a member of a role can grant what it owns, or make it the owner of a table (docs/adopt.md).
-- From PostgreSQL 16 on, CREATEROLE alone does not grant membership.
GRANT demand_loader TO CURRENT_USER;

GRANT CONNECT ON DATABASE :"DBNAME" TO demand_loader;

-- CREATE: the load creates the tables and, as their owner, may do what each LoadStrategy needs: add columns, truncate,
-- rebuild indexes, update, delete, analyze, attach and detach partitions. It need not own the schema.
CREATE SCHEMA IF NOT EXISTS :"schema";
GRANT USAGE, CREATE ON SCHEMA :"schema" TO demand_loader;

-- Rows are copied to tables of the run's own first, in a schema where analysts do not come across them.
\set pipeline :schema _pipeline
CREATE SCHEMA IF NOT EXISTS :"pipeline";
GRANT USAGE, CREATE ON SCHEMA :"pipeline" TO demand_loader;

-- Readers may select from the loader's existing and future tables.
GRANT USAGE ON SCHEMA :"schema" TO :"readers";
-- After a swap, the rows before it are there as <table>_previous, for whoever may read the table. The load revokes every
-- other privilege on partitions there: they would bypass the grants and policies of the table.
GRANT USAGE ON SCHEMA :"pipeline" TO :"readers";
SELECT format('GRANT SELECT ON %I.%I TO %I', schemaname, tablename, :'readers')
FROM pg_tables
WHERE schemaname = :'schema' AND tableowner = 'demand_loader' \gexec
ALTER DEFAULT PRIVILEGES FOR ROLE demand_loader IN SCHEMA :"schema" GRANT SELECT ON TABLES TO :"readers";

-- An event trigger runs as the role that runs a DDL statement, and every load runs some. The role needs whatever the
-- trigger's function uses. For the event trigger that AWS DMS installs (with the schema of its DDL artifacts):
--   GRANT USAGE ON SCHEMA public TO demand_loader;
--   GRANT INSERT, DELETE ON public.awsdms_ddl_audit TO demand_loader;
--   GRANT USAGE ON SEQUENCE public.awsdms_ddl_audit_c_key_seq TO demand_loader;

COMMIT;
