-- Ids contain the time at which they were made, and message and attempt are partitioned by id. These functions translate
-- between both in SQL: the time of an id, and the lowest id of a time, by which a query reads one partition instead of all.
--
-- An id is a prefix and 27 digits of base 62, which are 20 bytes: 4 for the seconds since 2014-05-13T16:53:20Z, 1 for the
-- step of 4 ms within the second, and 15 random ones.
--
-- Functions only: nothing to wait for, nothing to undo by hand if it stops halfway.

-- migrate:up
CREATE FUNCTION id_time(id text) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (
    SELECT to_timestamp((1400000000 + div(value.steps, 256) + mod(value.steps, 256) * 0.004)::double precision)
    FROM (
        SELECT
            div(
                sum(
                    (strpos('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', substr(right(id_time.id, 27), digit, 1)) - 1)
                    * 62::numeric ^ (27 - digit)
                ),
                2::numeric ^ 120
            ) AS steps
        FROM generate_series(1, 27) AS digit
    ) AS value
    WHERE id_time.id ~ '^[a-z]+_[0-9A-Za-z]{27}$'
);

CREATE FUNCTION id_floor(prefix text, at timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (
    SELECT
        id_floor.prefix || string_agg(
            substr(
                '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz',
                mod(div(value.whole, 62::numeric ^ (27 - digit)), 62)::int + 1,
                1
            ),
            '' ORDER BY digit
        )
    FROM (
        SELECT (floor(since.seconds) * 256 + floor(mod(since.seconds, 1) * 250)) * 2::numeric ^ 120 AS whole
        FROM (
            SELECT least(greatest(extract(epoch FROM id_floor.at) - 1400000000, 0), 4294967295.999) AS seconds
        ) AS since
    ) AS value
    CROSS JOIN generate_series(1, 27) AS digit
);

COMMENT ON FUNCTION id_time(text) IS 'When an id was made, to 4 ms: SELECT id_time(''msg_...''). NULL: not an id with a time.';
COMMENT ON FUNCTION id_floor(text, timestamptz) IS 'The lowest id of a time: SELECT count(*) FROM message WHERE id >= id_floor(''msg_'', now() - interval ''5 min''). Prefixes: msg_, atmpt_, app_, ep_, qtask_.';

-- migrate:down
DROP FUNCTION id_floor(text, timestamptz);
DROP FUNCTION id_time(text);
