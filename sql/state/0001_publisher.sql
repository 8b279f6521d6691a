-- What publishers remember from one process to the next. All of it belongs to the role of state.dsn; nobody else needs rights on it.

-- CREATE SCHEMA IF NOT EXISTS asks for CREATE on the database even where the schema exists.
DO $$
BEGIN
    IF to_regnamespace('changefeed') IS NULL THEN
        CREATE SCHEMA changefeed;
    END IF;
END
$$;

CREATE TABLE changefeed.state_migrations (
    number     integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE changefeed.state_migrations IS
    'Scripts that made the tables of state.dsn, by the number of their file. changefeed compares them with those that it brings.';
COMMENT ON COLUMN changefeed.state_migrations.checksum IS 'SHA-256 of the script.';

CREATE TABLE changefeed.checkpoints (
    source       text PRIMARY KEY,
    claim        bigint NOT NULL,
    claimed_at   timestamptz NOT NULL,
    system       text,
    timeline     integer,
    epoch        bigint,
    lsn          pg_lsn,
    acknowledged text,
    offsets      jsonb,
    layout       text,
    closed       boolean,
    saved_at     timestamptz,
    CONSTRAINT checkpoints_saved_as_a_whole CHECK (
        num_nulls(system, timeline, epoch, lsn, acknowledged, offsets, layout, closed, saved_at) IN (0, 9)
    )
) WITH (fillfactor = 50);
COMMENT ON TABLE changefeed.checkpoints IS
    'How far each source has been published. One row a source, written at most once a second. '
    'Without its row a publisher reads the ends of its topics and begins a new epoch: nothing is lost, some changes are published again.';
COMMENT ON COLUMN changefeed.checkpoints.claim IS
    'Grows each time a publisher takes the source over. Only the publisher that made the last claim can save.';
COMMENT ON COLUMN changefeed.checkpoints.system IS 'System identifier of the source''s server, as in pg_control_system().';
COMMENT ON COLUMN changefeed.checkpoints.timeline IS 'Timeline of the source''s log.';
COMMENT ON COLUMN changefeed.checkpoints.epoch IS 'Epoch of the source''s positions.';
COMMENT ON COLUMN changefeed.checkpoints.lsn IS 'Transactions whose commit record ends here or before are in the topics.';
COMMENT ON COLUMN changefeed.checkpoints.acknowledged IS
    'Position below which, itself included, all changes are in the topics: source/epoch/LSN as 16 hexadecimal digits/number in the transaction. Empty: none.';
COMMENT ON COLUMN changefeed.checkpoints.offsets IS
    'For each topic, by partition, an offset before which there is no record of a later position than acknowledged.';
COMMENT ON COLUMN changefeed.checkpoints.layout IS 'What positions depend on beside the log: routes and limits of the publisher.';
COMMENT ON COLUMN changefeed.checkpoints.closed IS 'The publisher ended in order: no record of it is on its way.';

CREATE TABLE changefeed.epochs (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    last     bigint NOT NULL
);
INSERT INTO changefeed.epochs (last) VALUES (0);
COMMENT ON TABLE changefeed.epochs IS
    'The last epoch that was given to a source. A table and not a sequence, so that a number is given once and can be raised in the same step.';

CREATE TABLE changefeed.gaps (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source   text NOT NULL,
    from_lsn pg_lsn NOT NULL,
    to_lsn   pg_lsn NOT NULL,
    reason   text NOT NULL,
    at       timestamptz NOT NULL,
    UNIQUE (source, from_lsn, to_lsn, at)
);
COMMENT ON TABLE changefeed.gaps IS 'Ranges of a source''s log that could not be published, because its slot was lost.';
COMMENT ON COLUMN changefeed.gaps.from_lsn IS 'Commits before it were published.';
COMMENT ON COLUMN changefeed.gaps.to_lsn IS 'Commits from it on are published.';
COMMENT ON COLUMN changefeed.gaps.at IS 'When the gap was found.';
