-- Two functions for the applications of a database that changes are published from. Both write a message into the log, as part of the
-- transaction that calls them: what is rolled back was never said.
--
-- Every role may call them. They run with the rights of the caller (SECURITY INVOKER), who could as well call
-- pg_logical_emit_message, which PostgreSQL opens to every role. To let only some roles do so, revoke that, in each database, as a
-- superuser, and grant it to the roles that may (from version 17 on these functions take one more argument, boolean, at the end):
--
--     REVOKE EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text) FROM PUBLIC;
--     REVOKE EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, bytea) FROM PUBLIC;
--     GRANT EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, bytea) TO some_role;
--
-- To revoke EXECUTE on the functions below, or USAGE on the schema, hides them and protects nothing.

-- CREATE SCHEMA IF NOT EXISTS asks for CREATE on the database even where the schema exists.
DO $$
BEGIN
    IF to_regnamespace('changefeed') IS NULL THEN
        CREATE SCHEMA changefeed;
    END IF;
END
$$;

CREATE TABLE changefeed.source_migrations (
    number     integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE changefeed.source_migrations IS
    'Scripts that made the functions of this schema, by the number of their file. changefeed compares them with those that it brings.';
COMMENT ON COLUMN changefeed.source_migrations.checksum IS 'SHA-256 of the script.';

-- The functions are for everybody, and whoever checks the set-up reads what has been run.
GRANT USAGE ON SCHEMA changefeed TO PUBLIC;
GRANT SELECT ON changefeed.source_migrations TO PUBLIC;

CREATE FUNCTION changefeed.suppress() RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY INVOKER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pg_logical_emit_message(true, 'changefeed', convert_to('{"suppress": true}', 'UTF8'));
END
$$;
COMMENT ON FUNCTION changefeed.suppress() IS
    'Rows that this transaction changes from here on are not published. Call it first in the transaction. '
    'It is honoured where the configuration of the source says allow_suppress: true.';

CREATE FUNCTION changefeed.publish(
    topic            text,
    document_id      text,
    document_type    text DEFAULT NULL,
    document_subtype text DEFAULT NULL,
    domain           text DEFAULT NULL,
    is_deletion      boolean DEFAULT false,
    data_source_name text DEFAULT NULL,
    data_source_type text DEFAULT NULL
) RETURNS pg_lsn
    LANGUAGE plpgsql VOLATILE SECURITY INVOKER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    usage   CONSTANT text := 'Call it as in SELECT changefeed.publish(''orders'', ''42'', document_type => ''Order'').';
    maximum CONSTANT integer := 65536;
    content bytea;
BEGIN
    IF coalesce(topic, '') = '' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'changefeed.publish: topic is empty', HINT = usage;
    END IF;
    IF coalesce(document_id, '') = '' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'changefeed.publish: document_id is empty', HINT = usage;
    END IF;
    -- A data source that is not named is left out: the publisher knows that of the topic.
    content := convert_to(json_build_object('change', jsonb_build_object(
        'topic', topic,
        'document_id', document_id,
        'document_type', document_type,
        'document_subtype', document_subtype,
        'domain', domain,
        'is_deletion', coalesce(is_deletion, false)
    ) || jsonb_strip_nulls(jsonb_build_object(
        'data_source_name', data_source_name,
        'data_source_type', data_source_type
    )))::text, 'UTF8');
    IF octet_length(content) > maximum THEN
        RAISE program_limit_exceeded USING
            MESSAGE = format('changefeed.publish: the change has %s bytes, more than %s', octet_length(content), maximum),
            HINT = 'A change names a document and does not hold it: shorten document_id and the other arguments.';
    END IF;
    RETURN pg_logical_emit_message(true, 'changefeed', content);
END
$$;
COMMENT ON FUNCTION changefeed.publish(text, text, text, text, text, boolean, text, text) IS
    'Publishes a change of a document on a topic when this transaction commits, as if a row of it had changed. '
    'The topic must be one that the source publishes on. What is null is published as null; '
    'without data_source_name and data_source_type, those of the topic''s route are used. Returns the place of the message in the log.';
