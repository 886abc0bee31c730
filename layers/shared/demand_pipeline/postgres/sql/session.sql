-- Text in a form that both sides know, and no names that other users could shadow (CVE-2018-1058).
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET bytea_output = 'hex';
SET array_nulls = on;
SET search_path = pg_catalog, pg_temp;
-- A policy that hides rows must fail the load, not its counts.
SET row_security = off;
-- A client that has died is noticed within a minute: waiting for it, sending to it, or working for it.
SET tcp_keepalives_idle = 10;
SET tcp_keepalives_interval = 10;
SET tcp_keepalives_count = 3;
SET tcp_user_timeout = '30s';
SET client_connection_check_interval = '10s';
