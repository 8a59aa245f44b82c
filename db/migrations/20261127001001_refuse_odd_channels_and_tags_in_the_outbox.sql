-- Channels and tags of the outbox are checked when a row is inserted, as the API checks them: 1 to
-- 10 channels and up to 5 tags, each of 1 to 256 allowed characters. NULL among them, which array_agg
-- puts there easily, stopped the consumers.
--
-- "<@" refuses NULL, and a name with a comma in it. A regular expression of Postgres repeats at
-- most 255 times, so 257 characters are looked for as 129 and 128. CHECK constraints hold no
-- subquery, and a function in one would need a right of its own.
--
-- NOT VALID: rows that are in the outbox already stay, and consumers put them aside with the
-- reason.
--
-- Each ALTER TABLE reads no rows, and waits at most 2 s for transactions that have inserted into
-- the outbox. If it gives up, nothing has changed; run it again.

-- migrate:up
SET LOCAL lock_timeout = '2s';

ALTER TABLE outbox ADD CONSTRAINT outbox_channels_check CHECK (
    cardinality(channels) BETWEEN 1 AND 10
    AND channels <@ string_to_array(array_to_string(channels, ','), ',')
    AND array_to_string(channels, ',') ~ '^[a-zA-Z0-9_.:+-]+(,[a-zA-Z0-9_.:+-]+)*$'
    AND array_to_string(channels, ',') !~ '[^,]{129}[^,]{128}'
) NOT VALID;
ALTER TABLE outbox ADD CONSTRAINT outbox_tags_check CHECK (
    cardinality(tags) = 0
    OR (
        cardinality(tags) <= 5
        AND tags <@ string_to_array(array_to_string(tags, ','), ',')
        AND array_to_string(tags, ',') ~ '^[a-zA-Z0-9_./\\#-]+(,[a-zA-Z0-9_./\\#-]+)*$'
        AND array_to_string(tags, ',') !~ '[^,]{129}[^,]{128}'
    )
) NOT VALID;

COMMENT ON COLUMN outbox.channels IS '1 to 10 names of 1 to 256 characters: letters, digits and -_.:+';
COMMENT ON COLUMN outbox.tags IS 'Up to 5 names of 1 to 256 characters: letters, digits and -_./\#';
COMMENT ON COLUMN outbox.traceparent IS 'The trace it is part of, as in the W3C''s header of that name. Anything else is ignored.';

-- migrate:down
SET LOCAL lock_timeout = '2s';

ALTER TABLE outbox DROP CONSTRAINT outbox_tags_check;
ALTER TABLE outbox DROP CONSTRAINT outbox_channels_check;

COMMENT ON COLUMN outbox.channels IS NULL;
COMMENT ON COLUMN outbox.tags IS NULL;
COMMENT ON COLUMN outbox.traceparent IS 'The trace it is part of, as in the W3C''s header of that name.';
