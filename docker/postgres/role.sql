-- The role by which the gateway reads a provider's PostgreSQL (16 or later), and nothing more.
--
-- Run it as the owner of the database, in that database: psql -d DATABASE -f role.sql
-- Then give it a password (\password gateway_reader), grant it the columns that the policy names, and no others:
--
--     GRANT USAGE ON SCHEMA public TO gateway_reader;
--     GRANT SELECT (customer_id, cohort) ON public.customers TO gateway_reader;
--
-- `gateway policy check POLICY` warns of whatever it may read beyond that. The gateway sends statements of its own
-- alone; this is what still holds should somebody else come by the password.

DO $role$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'gateway_reader') THEN
        CREATE ROLE gateway_reader;
    END IF;
END
$role$;

ALTER ROLE gateway_reader LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS
    CONNECTION LIMIT 16;

-- A session may change these three for itself: they hold back mistakes, not an attacker. The privileges do that.
ALTER ROLE gateway_reader SET default_transaction_read_only = on;
ALTER ROLE gateway_reader SET statement_timeout = '120s';
ALTER ROLE gateway_reader SET idle_in_transaction_session_timeout = '300s';

-- What every role has unless it is taken from all: tables of its own, in this database and beside it.
DO $database$
BEGIN
    EXECUTE format('REVOKE TEMPORARY, CREATE ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO gateway_reader', current_database());
END
$database$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

-- Functions that write, wait or signal in spite of a read-only transaction. Taken from PUBLIC: a superuser has to run
-- this part, and roles that need one of them get it back by GRANT EXECUTE.
DO $functions$
DECLARE
    called regprocedure;
BEGIN
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RAISE NOTICE 'not a superuser: functions of the server stay as they are';
        RETURN;
    END IF;
    FOR called IN
        SELECT p.oid::regprocedure FROM pg_proc p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace
            AND (p.proname ~ '^(lo_|loread$|lowrite$|pg_advisory_|pg_try_advisory_|pg_sleep)'
                OR p.proname ~ '^(query|table|cursor|schema|database)_to_xml'
                OR p.proname IN ('pg_notify', 'pg_cancel_backend', 'pg_terminate_backend'))
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', called);
    END LOOP;
END
$functions$;
