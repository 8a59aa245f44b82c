--
-- PostgreSQL database dump
--




--
-- Name: postrider; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA postrider;


--
-- Name: id_floor(text, timestamp with time zone); Type: FUNCTION; Schema: postrider; Owner: -
--

CREATE FUNCTION postrider.id_floor(prefix text, at timestamp with time zone) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (SELECT (id_floor.prefix || string_agg(substr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'::text, ((mod(div(value.whole, ((62)::numeric ^ ((27 - digit.digit))::numeric)), (62)::numeric))::integer + 1), 1), ''::text ORDER BY digit.digit)) FROM ((SELECT (((floor(since.seconds) * (256)::numeric) + floor((mod(since.seconds, (1)::numeric) * (250)::numeric))) * ((2)::numeric ^ (120)::numeric)) AS whole FROM (SELECT LEAST(GREATEST((EXTRACT(epoch FROM id_floor.at) - (1400000000)::numeric), (0)::numeric), 4294967295.999) AS seconds) since) value CROSS JOIN generate_series(1, 27) digit(digit)));


--
-- Name: FUNCTION id_floor(prefix text, at timestamp with time zone); Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON FUNCTION postrider.id_floor(prefix text, at timestamp with time zone) IS 'The lowest id of a time: SELECT count(*) FROM message WHERE id >= id_floor(''msg_'', now() - interval ''5 min''). Prefixes: msg_, atmpt_, app_, ep_, qtask_.';


--
-- Name: id_time(text); Type: FUNCTION; Schema: postrider; Owner: -
--

CREATE FUNCTION postrider.id_time(id text) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (SELECT to_timestamp(((((1400000000)::numeric + div(value.steps, (256)::numeric)) + (mod(value.steps, (256)::numeric) * 0.004)))::double precision) AS to_timestamp FROM (SELECT div(sum((((strpos('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'::text, substr("right"(id_time.id, 27), digit.digit, 1)) - 1))::numeric * ((62)::numeric ^ ((27 - digit.digit))::numeric))), ((2)::numeric ^ (120)::numeric)) AS steps FROM generate_series(1, 27) digit(digit)) value WHERE (id_time.id ~ '^[a-z]+_[0-9A-Za-z]{27}$'::text));


--
-- Name: FUNCTION id_time(id text); Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON FUNCTION postrider.id_time(id text) IS 'When an id was made, to 4 ms: SELECT id_time(''msg_...''). NULL: not an id with a time.';




--
-- Name: outbox; Type: TABLE; Schema: postrider; Owner: -
--

CREATE TABLE postrider.outbox (
    id bigint NOT NULL,
    org_id text DEFAULT COALESCE(NULLIF(current_setting('postrider.org_id'::text, true), ''::text), 'org_23rb8YdGqMT0qIzpgGwdXfHirMu'::text) NOT NULL COLLATE pg_catalog."C",
    application text NOT NULL COLLATE pg_catalog."C",
    event_type text NOT NULL,
    payload text NOT NULL,
    event_id text COLLATE pg_catalog."C",
    channels text[],
    tags text[],
    traceparent text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    txid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT outbox_application_check CHECK (((application ~ '^[a-zA-Z0-9_.-]+$'::text) AND (octet_length(application) <= 256))),
    CONSTRAINT outbox_event_id_check CHECK (((event_id ~ '^[a-zA-Z0-9_.-]+$'::text) AND (octet_length(event_id) <= 256) AND (event_id !~~ 'msg\_%'::text))),
    CONSTRAINT outbox_event_type_check CHECK (((event_type ~ '^[a-zA-Z0-9_.-]+$'::text) AND (octet_length(event_type) <= 256))),
    CONSTRAINT outbox_org_id_check CHECK (((org_id ~~ 'org\_%'::text) AND (octet_length(org_id) <= 256) AND (org_id <> 'org_00000000000OperationalWebhook'::text))),
    CONSTRAINT outbox_payload_check CHECK (((octet_length(payload) <= 2097152) AND (json_typeof((payload)::json) = 'object'::text)))
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000', autovacuum_vacuum_cost_delay='0', autovacuum_analyze_scale_factor='0', autovacuum_analyze_threshold='50000');


--
-- Name: TABLE outbox; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON TABLE postrider.outbox IS 'Messages that applications of this database send with a plain INSERT. Consumers take them out at once.';


--
-- Name: COLUMN outbox.id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox.id IS 'The order in which they are stored, as far as they are committed.';


--
-- Name: COLUMN outbox.org_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox.org_id IS 'The organisation that sends it; by default that of the setting postrider.org_id, or else the one that tokens are for unless they name another.';


--
-- Name: COLUMN outbox.application; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox.application IS 'The id or uid of the application it is sent to.';


--
-- Name: COLUMN outbox.event_type; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox.event_type IS 'The event type of the message, such as invoice.paid.';


--
-- Name: COLUMN outbox.payload; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox.payload IS 'A JSON object of at most 2 MiB, which is signed and sent to the byte, but for white space around it.';


--
-- Name: COLUMN outbox.event_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox.event_id IS 'The sender''s own name for it; unique in the application.';


--
-- Name: COLUMN outbox.channels; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox.channels IS '1 to 10 names of 1 to 256 characters: letters, digits and -_.:+';


--
-- Name: COLUMN outbox.tags; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox.tags IS 'Up to 5 names of 1 to 256 characters: letters, digits and -_./\#';


--
-- Name: COLUMN outbox.traceparent; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox.traceparent IS 'The trace it is part of, as in the W3C''s header of that name. Anything else is ignored.';


--
-- Name: COLUMN outbox.created_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox.created_at IS 'When its transaction began. Old ones mean that no process consumes.';


--
-- Name: COLUMN outbox.txid; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox.txid IS 'The transaction that inserted it. Leave it to its default.';


--
-- Name: CONSTRAINT outbox_application_check ON outbox; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT outbox_application_check ON postrider.outbox IS 'The names that the API accepts.';


--
-- Name: CONSTRAINT outbox_event_id_check ON outbox; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT outbox_event_id_check ON postrider.outbox IS 'The names that the API accepts; none looks like the id of a message.';


--
-- Name: CONSTRAINT outbox_event_type_check ON outbox; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT outbox_event_type_check ON postrider.outbox IS 'The names that the API accepts.';


--
-- Name: CONSTRAINT outbox_org_id_check ON outbox; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT outbox_org_id_check ON postrider.outbox IS 'An organisation that a token can be for.';


--
-- Name: CONSTRAINT outbox_payload_check ON outbox; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT outbox_payload_check ON postrider.outbox IS 'A JSON object of at most 2 MiB.';


--
-- Name: outbox_id_seq; Type: SEQUENCE; Schema: postrider; Owner: -
--

ALTER TABLE postrider.outbox ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME postrider.outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: SEQUENCE outbox_id_seq; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON SEQUENCE postrider.outbox_id_seq IS 'Numbers the messages in the outbox.';


--
-- Name: outbox_id_last(); Type: FUNCTION; Schema: postrider; Owner: -
--

CREATE FUNCTION postrider.outbox_id_last() RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    BEGIN ATOMIC
 SELECT currval('postrider.outbox_id_seq'::regclass) AS currval;
END;


--
-- Name: FUNCTION outbox_id_last(); Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON FUNCTION postrider.outbox_id_last() IS 'The id of the row of the outbox that this session inserted last, for sessions that may not read the outbox.';


--
-- Name: message_send(text, text, json, text, text[], text[], text, text); Type: FUNCTION; Schema: postrider; Owner: -
--

CREATE FUNCTION postrider.message_send(application text, event_type text, payload json, event_id text DEFAULT NULL::text, channels text[] DEFAULT NULL::text[], tags text[] DEFAULT NULL::text[], traceparent text DEFAULT NULL::text, org_id text DEFAULT COALESCE(NULLIF(current_setting('postrider.org_id'::text, true), ''::text), 'org_23rb8YdGqMT0qIzpgGwdXfHirMu'::text)) RETURNS bigint
    LANGUAGE sql
    BEGIN ATOMIC
 INSERT INTO postrider.outbox (org_id, application, event_type, payload, event_id, channels, tags, traceparent)
   VALUES (message_send.org_id, message_send.application, message_send.event_type, (message_send.payload)::text, message_send.event_id, message_send.channels, message_send.tags, message_send.traceparent);
 SELECT postrider.outbox_id_last() AS outbox_id_last;
END;


--
-- Name: FUNCTION message_send(application text, event_type text, payload json, event_id text, channels text[], tags text[], traceparent text, org_id text); Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON FUNCTION postrider.message_send(application text, event_type text, payload json, event_id text, channels text[], tags text[], traceparent text, org_id text) IS 'As the function of that name for text. The payload is sent as it is written.';


--
-- Name: message_send(text, text, jsonb, text, text[], text[], text, text); Type: FUNCTION; Schema: postrider; Owner: -
--

CREATE FUNCTION postrider.message_send(application text, event_type text, payload jsonb, event_id text DEFAULT NULL::text, channels text[] DEFAULT NULL::text[], tags text[] DEFAULT NULL::text[], traceparent text DEFAULT NULL::text, org_id text DEFAULT COALESCE(NULLIF(current_setting('postrider.org_id'::text, true), ''::text), 'org_23rb8YdGqMT0qIzpgGwdXfHirMu'::text)) RETURNS bigint
    LANGUAGE sql
    BEGIN ATOMIC
 INSERT INTO postrider.outbox (org_id, application, event_type, payload, event_id, channels, tags, traceparent)
   VALUES (message_send.org_id, message_send.application, message_send.event_type, (message_send.payload)::text, message_send.event_id, message_send.channels, message_send.tags, message_send.traceparent);
 SELECT postrider.outbox_id_last() AS outbox_id_last;
END;


--
-- Name: FUNCTION message_send(application text, event_type text, payload jsonb, event_id text, channels text[], tags text[], traceparent text, org_id text); Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON FUNCTION postrider.message_send(application text, event_type text, payload jsonb, event_id text, channels text[], tags text[], traceparent text, org_id text) IS 'As the function of that name for text. The payload is sent as Postgres writes it.';


--
-- Name: message_send(text, text, text, text, text[], text[], text, text); Type: FUNCTION; Schema: postrider; Owner: -
--

CREATE FUNCTION postrider.message_send(application text, event_type text, payload text, event_id text DEFAULT NULL::text, channels text[] DEFAULT NULL::text[], tags text[] DEFAULT NULL::text[], traceparent text DEFAULT NULL::text, org_id text DEFAULT COALESCE(NULLIF(current_setting('postrider.org_id'::text, true), ''::text), 'org_23rb8YdGqMT0qIzpgGwdXfHirMu'::text)) RETURNS bigint
    LANGUAGE sql
    BEGIN ATOMIC
 INSERT INTO postrider.outbox (org_id, application, event_type, payload, event_id, channels, tags, traceparent)
   VALUES (message_send.org_id, message_send.application, message_send.event_type, message_send.payload, message_send.event_id, message_send.channels, message_send.tags, message_send.traceparent);
 SELECT postrider.outbox_id_last() AS outbox_id_last;
END;


--
-- Name: FUNCTION message_send(application text, event_type text, payload text, event_id text, channels text[], tags text[], traceparent text, org_id text); Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON FUNCTION postrider.message_send(application text, event_type text, payload text, event_id text, channels text[], tags text[], traceparent text, org_id text) IS 'Sends a message when the transaction commits: SELECT message_send(''acme'', ''invoice.paid'', ''{"amount": 42}''). It inserts into the outbox, with the rights of its caller, and returns the id of the row.';


--
-- Name: partition_analyze(text); Type: FUNCTION; Schema: postrider; Owner: -
--

CREATE FUNCTION postrider.partition_analyze(parent text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'postrider', 'pg_temp'
    AS $$
BEGIN
    IF parent IS NULL OR parent NOT IN ('message', 'attempt') THEN
        RAISE EXCEPTION 'partition_analyze: % is neither message nor attempt', parent
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    EXECUTE format('ANALYZE %I', parent);
    RETURN true;
END
$$;


--
-- Name: FUNCTION partition_analyze(parent text); Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON FUNCTION postrider.partition_analyze(parent text) IS 'Gathers the planner''s statistics of message or attempt and of its partitions. True.';


--
-- Name: partition_create(text, text, text, text); Type: FUNCTION; Schema: postrider; Owner: -
--

CREATE FUNCTION postrider.partition_create(parent text, suffix text, lower_id text, upper_id text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET lock_timeout TO '2s'
    SET search_path TO 'postrider', 'pg_temp'
    AS $_$
DECLARE
    prefix text := CASE parent WHEN 'message' THEN 'msg' WHEN 'attempt' THEN 'atmpt' END;
    partition text := parent || '_' || suffix;
    fallback text := parent || '_default';
    grantee text;
BEGIN
    IF prefix IS NULL
        OR suffix !~ '^[0-9]{8}$'
        OR lower_id !~ ('^' || prefix || '_[0-9A-Za-z]{27}$')
        OR upper_id !~ ('^' || prefix || '_([0-9A-Za-z]{27}|~)$')
        OR lower_id COLLATE "C" >= upper_id COLLATE "C"
        OR num_nulls(suffix, lower_id, upper_id) > 0
    THEN
        RAISE EXCEPTION 'partition_create: % with ids from % to % is not a partition of message or attempt',
            partition, lower_id, upper_id USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF to_regclass(quote_ident(partition)) IS NOT NULL THEN
        RETURN false;
    END IF;
    -- Processes that start together all want the same partitions: one makes them, the others look again, in the table:
    -- to_regclass() may remember from above that there was none.
    PERFORM pg_advisory_xact_lock(hashtextextended(format('%s partition', current_schema()), 0));
    IF EXISTS (
        SELECT
        FROM pg_class
        WHERE pg_class.relname = partition
            AND pg_class.relnamespace = to_regnamespace(quote_ident(current_schema()))
    ) THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', partition, parent);
    FOR grantee IN
        SELECT DISTINCT CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END
        FROM pg_class
        CROSS JOIN LATERAL aclexplode(pg_class.relacl) AS acl
        WHERE pg_class.oid = to_regclass(quote_ident(partition))
            AND acl.grantee <> pg_class.relowner
    LOOP
        EXECUTE format('REVOKE ALL ON TABLE %I FROM %s', partition, grantee);
    END LOOP;
    -- In this order: what may take longer to get delays nobody who reads or writes.
    EXECUTE format('LOCK TABLE ONLY %I IN SHARE UPDATE EXCLUSIVE MODE', parent);
    PERFORM set_config('lock_timeout', '20ms', true);
    EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE', fallback);
    EXECUTE format(
        'WITH caught AS (DELETE FROM %I WHERE id >= %L AND id < %L RETURNING *) INSERT INTO %I SELECT * FROM caught',
        fallback, lower_id, upper_id, partition
    );
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, partition, lower_id, upper_id);
    RETURN true;
END
$_$;


--
-- Name: FUNCTION partition_create(parent text, suffix text, lower_id text, upper_id text); Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON FUNCTION postrider.partition_create(parent text, suffix text, lower_id text, upper_id text) IS 'Makes the partition PARENT_SUFFIX for ids from LOWER_ID up to but not UPPER_ID, with the rows the default partition caught. Suffix: the Monday on which it begins, as 20261130. False: it is there already. Fails with lock_not_available if somebody uses the default partition for longer than 20 ms: try again later.';


--
-- Name: partition_detach(text, text); Type: FUNCTION; Schema: postrider; Owner: -
--

CREATE FUNCTION postrider.partition_detach(parent text, suffix text) RETURNS text
    LANGUAGE plpgsql
    SET lock_timeout TO '20ms'
    SET search_path TO 'postrider', 'pg_temp'
    AS $_$
DECLARE
    partition text := parent || '_' || suffix;
BEGIN
    IF parent IS NULL OR parent NOT IN ('message', 'attempt') OR suffix IS NULL OR suffix !~ '^[0-9]{8}$' THEN
        RAISE EXCEPTION 'partition_detach: % is not a partition of message or attempt', partition
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, partition);
    RETURN partition;
END
$_$;


--
-- Name: FUNCTION partition_detach(parent text, suffix text); Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON FUNCTION postrider.partition_detach(parent text, suffix text) IS 'Takes the partition PARENT_SUFFIX out of message or attempt, and returns its name: a table that can be archived and dropped without delaying anybody. Fails with lock_not_available if somebody uses the table for longer than 20 ms: try again.';


--
-- Name: vacuum_held(); Type: FUNCTION; Schema: postrider; Owner: -
--

CREATE FUNCTION postrider.vacuum_held(OUT known boolean, OUT since timestamp with time zone, OUT standby_xmin text) RETURNS record
    LANGUAGE sql STABLE SECURITY DEFINER
    BEGIN ATOMIC
 SELECT pg_has_role(CURRENT_USER, 'pg_read_all_stats'::name, 'USAGE'::text) AS pg_has_role,
     LEAST(( SELECT min(activity.xact_start) AS min
            FROM pg_stat_activity activity
           WHERE ((activity.datname = current_database()) AND (activity.pid <> pg_backend_pid()) AND ((activity.backend_xid IS NOT NULL) OR (activity.backend_xmin IS NOT NULL)) AND (activity.backend_type <> 'autovacuum worker'::text) AND (NOT (EXISTS ( SELECT
                    FROM pg_stat_progress_vacuum vacuum
                   WHERE (vacuum.pid = activity.pid)))))), ( SELECT min(prepared.prepared) AS min
            FROM pg_prepared_xacts prepared
           WHERE (prepared.database = current_database()))) AS "least",
     ( SELECT (held.xmin)::text AS xmin
            FROM ( SELECT slot.xmin
                    FROM pg_replication_slots slot
                 UNION ALL
                  SELECT standby.backend_xmin
                    FROM pg_stat_replication standby) held
           WHERE ((held.xmin IS NOT NULL) AND (age(held.xmin) > 0))
           ORDER BY (age(held.xmin)) DESC
          LIMIT 1) AS xmin;
END;


--
-- Name: FUNCTION vacuum_held(OUT known boolean, OUT since timestamp with time zone, OUT standby_xmin text); Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON FUNCTION postrider.vacuum_held(OUT known boolean, OUT since timestamp with time zone, OUT standby_xmin text) IS 'Since when the oldest open or prepared transaction of this database keeps dead rows from being removed, and the oldest transaction whose rows a standby or a replication slot keeps. Not known: its owner may not see the transactions of other roles.';


--
-- Name: application; Type: TABLE; Schema: postrider; Owner: -
--

CREATE TABLE postrider.application (
    org_id text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    uid text COLLATE pg_catalog."C",
    name text NOT NULL,
    throttle_rate integer,
    metadata jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    throttled_until timestamp with time zone,
    CONSTRAINT application_id_check CHECK ((id ~~ 'app\_%'::text)),
    CONSTRAINT application_throttle_rate_check CHECK (((throttle_rate >= 1) AND (throttle_rate <= 65535))),
    CONSTRAINT application_throttled_until_check CHECK (isfinite(throttled_until)),
    CONSTRAINT application_uid_check CHECK ((uid !~~ 'app\_%'::text)),
    CONSTRAINT application_uid_name_metadata_check CHECK (((octet_length(uid) <= 256) AND (octet_length(name) <= 4096) AND (pg_column_size(metadata) <= 16384)))
);


--
-- Name: TABLE application; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON TABLE postrider.application IS 'A customer of an organisation, with endpoints and messages of its own.';


--
-- Name: COLUMN application.org_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.application.org_id IS 'The organisation it belongs to: the one in the token that created it.';


--
-- Name: COLUMN application.id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.application.id IS 'Unique in all organisations. Contains the time of creation.';


--
-- Name: COLUMN application.uid; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.application.uid IS 'The organisation''s own name for it. Never begins like an id, so that one lookup serves both.';


--
-- Name: COLUMN application.name; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.application.name IS 'A name for people, set by the client.';


--
-- Name: COLUMN application.throttle_rate; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.application.throttle_rate IS 'Messages per second over all its endpoints; NULL is unlimited.';


--
-- Name: COLUMN application.metadata; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.application.metadata IS 'A JSON object of the client''s own; Postrider never reads it.';


--
-- Name: COLUMN application.created_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.application.created_at IS 'When it was created, on Postgres''s clock.';


--
-- Name: COLUMN application.updated_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.application.updated_at IS 'When a client last changed it. Workers do not touch it.';


--
-- Name: COLUMN application.deleted_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.application.deleted_at IS 'Set, the row is kept for the messages that name it, and nobody can reach it.';


--
-- Name: COLUMN application.throttled_until; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.application.throttled_until IS 'With a throttle_rate: when the next attempt at any of its endpoints may begin if every one before took its time.';


--
-- Name: CONSTRAINT application_id_check ON application; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT application_id_check ON postrider.application IS 'Ids have the prefix of their kind.';


--
-- Name: CONSTRAINT application_throttle_rate_check ON application; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT application_throttle_rate_check ON postrider.application IS 'The bounds of the API, in messages per second.';


--
-- Name: CONSTRAINT application_throttled_until_check ON application; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT application_throttled_until_check ON postrider.application IS 'Workers cannot read an infinite time.';


--
-- Name: CONSTRAINT application_uid_check ON application; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT application_uid_check ON postrider.application IS 'A uid never looks like an id, so that one look-up serves both.';


--
-- Name: CONSTRAINT application_uid_name_metadata_check ON application; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT application_uid_name_metadata_check ON postrider.application IS 'Bounds in bytes of what a client stores.';


--
-- Name: attempt; Type: TABLE; Schema: postrider; Owner: -
--

CREATE TABLE postrider.attempt (
    app_id text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    message_id text NOT NULL COLLATE pg_catalog."C",
    endpoint_id text NOT NULL COLLATE pg_catalog."C",
    url text NOT NULL,
    status smallint NOT NULL,
    response_status_code smallint NOT NULL,
    response text NOT NULL,
    duration_ms bigint NOT NULL,
    trigger smallint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT attempt_status_check CHECK ((status = ANY (ARRAY[0, 2]))),
    CONSTRAINT attempt_trigger_check CHECK ((trigger = ANY (ARRAY[0, 1])))
)
PARTITION BY RANGE (id);


--
-- Name: TABLE attempt; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON TABLE postrider.attempt IS 'One try to deliver one message to one endpoint. Append-only; a partition a week.';


--
-- Name: COLUMN attempt.app_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.attempt.app_id IS 'The application of the message.';


--
-- Name: COLUMN attempt.id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.attempt.id IS 'Contains the time at which the attempt began, and selects the partition.';


--
-- Name: COLUMN attempt.message_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.attempt.message_id IS 'The message that was sent. It may have been in a partition that has been dropped since.';


--
-- Name: COLUMN attempt.endpoint_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.attempt.endpoint_id IS 'The endpoint that it was sent to.';


--
-- Name: COLUMN attempt.url; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.attempt.url IS 'Where it went: the endpoint''s address at that time.';


--
-- Name: COLUMN attempt.status; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.attempt.status IS '0 success, 2 failure: the numbers of the API.';


--
-- Name: COLUMN attempt.response_status_code; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.attempt.response_status_code IS '0: there was no response.';


--
-- Name: COLUMN attempt.response; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.attempt.response IS 'The first 20,000 bytes of the response''s body, in base64 where they are not text; without a response, why there was none.';


--
-- Name: COLUMN attempt.duration_ms; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.attempt.duration_ms IS 'Milliseconds from the beginning of the attempt to the end of the response, or to the failure.';


--
-- Name: COLUMN attempt.trigger; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.attempt.trigger IS '0 scheduled, 1 manual: the numbers of the API.';


--
-- Name: COLUMN attempt.created_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.attempt.created_at IS 'When the attempt began, on Postgres''s clock. The row is written once the attempt has ended.';


--
-- Name: CONSTRAINT attempt_status_check ON attempt; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT attempt_status_check ON postrider.attempt IS 'An attempt has succeeded (0) or failed (2). The other statuses of the API are those of deliveries.';


--
-- Name: CONSTRAINT attempt_trigger_check ON attempt; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT attempt_trigger_check ON postrider.attempt IS 'An attempt was scheduled (0) or asked for by hand (1).';


--
-- Name: attempt_count; Type: TABLE; Schema: postrider; Owner: -
--

CREATE TABLE postrider.attempt_count (
    app_id text NOT NULL COLLATE pg_catalog."C",
    endpoint_id text NOT NULL COLLATE pg_catalog."C",
    partition_oid bigint NOT NULL,
    until_id text NOT NULL COLLATE pg_catalog."C",
    succeeded bigint NOT NULL,
    failed bigint NOT NULL,
    CONSTRAINT attempt_count_succeeded_failed_check CHECK (((succeeded >= 0) AND (failed >= 0)))
);


--
-- Name: TABLE attempt_count; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON TABLE postrider.attempt_count IS 'How many attempts at an endpoint there were on a day up to an id, kept for statistics. May be truncated at any time; must be after attempts are inserted or deleted by hand.';


--
-- Name: COLUMN attempt_count.app_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.attempt_count.app_id IS 'The application of the endpoint.';


--
-- Name: COLUMN attempt_count.endpoint_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.attempt_count.endpoint_id IS 'The endpoint whose attempts were counted.';


--
-- Name: COLUMN attempt_count.partition_oid; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.attempt_count.partition_oid IS 'The partition of attempt that was counted. If it is there no more, neither are its attempts, and the row counts nothing.';


--
-- Name: COLUMN attempt_count.until_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.attempt_count.until_id IS 'Counted are the attempts of the UTC day of this id, from its beginning up to this id; the first id of the next day: the whole day.';


--
-- Name: COLUMN attempt_count.succeeded; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.attempt_count.succeeded IS 'The number of attempts that succeeded.';


--
-- Name: COLUMN attempt_count.failed; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.attempt_count.failed IS 'The number of attempts that failed.';


--
-- Name: CONSTRAINT attempt_count_succeeded_failed_check ON attempt_count; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT attempt_count_succeeded_failed_check ON postrider.attempt_count IS 'Counts are never negative.';


--
-- Name: attempt_default; Type: TABLE; Schema: postrider; Owner: -
--

CREATE TABLE postrider.attempt_default (
    app_id text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    message_id text NOT NULL COLLATE pg_catalog."C",
    endpoint_id text NOT NULL COLLATE pg_catalog."C",
    url text NOT NULL,
    status smallint NOT NULL,
    response_status_code smallint NOT NULL,
    response text NOT NULL,
    duration_ms bigint NOT NULL,
    trigger smallint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT attempt_status_check CHECK ((status = ANY (ARRAY[0, 2]))),
    CONSTRAINT attempt_trigger_check CHECK ((trigger = ANY (ARRAY[0, 1])))
);


--
-- Name: TABLE attempt_default; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON TABLE postrider.attempt_default IS 'Catches attempts of a time that has no partition, so that none is ever refused. The jobs move them to one of their own.';


--
-- Name: background_task; Type: TABLE; Schema: postrider; Owner: -
--

CREATE TABLE postrider.background_task (
    org_id text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    task text NOT NULL,
    app_id text COLLATE pg_catalog."C",
    endpoint_id text COLLATE pg_catalog."C",
    parameters jsonb NOT NULL,
    status text NOT NULL,
    cursor text NOT NULL COLLATE pg_catalog."C",
    processed bigint NOT NULL,
    data jsonb NOT NULL,
    failures smallint NOT NULL,
    error text,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    next_at timestamp with time zone NOT NULL,
    duplicate boolean DEFAULT false NOT NULL,
    CONSTRAINT background_task_id_check CHECK ((id ~~ 'qtask\_%'::text)),
    CONSTRAINT background_task_parameters_check CHECK ((pg_column_size(parameters) <= 1048576)),
    CONSTRAINT background_task_status_check CHECK ((status = ANY (ARRAY['running'::text, 'finished'::text, 'failed'::text]))),
    CONSTRAINT background_task_task_check CHECK ((task = ANY (ARRAY['endpoint.recover'::text, 'endpoint.replay'::text, 'endpoint.bulk-replay'::text, 'application.purge_content'::text, 'application.stats'::text, 'event-type.aggregate'::text])))
)
WITH (fillfactor='60');


--
-- Name: TABLE background_task; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON TABLE postrider.background_task IS 'Work that outlives the request for it, done step by step by the jobs.';


--
-- Name: COLUMN background_task.org_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.background_task.org_id IS 'The organisation that asked for it.';


--
-- Name: COLUMN background_task.id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.background_task.id IS 'Contains the time of the request.';


--
-- Name: COLUMN background_task.task; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.background_task.task IS 'What is done: the names of the API.';


--
-- Name: COLUMN background_task.app_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.background_task.app_id IS 'The application it is about; NULL: the whole organisation.';


--
-- Name: COLUMN background_task.endpoint_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.background_task.endpoint_id IS 'The endpoint it is about; NULL: none in particular.';


--
-- Name: COLUMN background_task.parameters; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.background_task.parameters IS 'What was asked for: the period, filters, applications.';


--
-- Name: COLUMN background_task.status; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.background_task.status IS 'running: steps are left, even if none is being made right now; finished; failed: given up, with the reason in error.';


--
-- Name: COLUMN background_task.cursor; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.background_task.cursor IS 'The last id that is done: of a message, of an application, or of one and of a message of the next.';


--
-- Name: COLUMN background_task.processed; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.background_task.processed IS 'How many messages were looked at.';


--
-- Name: COLUMN background_task.data; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.background_task.data IS 'What came of it so far, as the API shows it.';


--
-- Name: COLUMN background_task.failures; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.background_task.failures IS 'How many times the step failed that is next.';


--
-- Name: COLUMN background_task.error; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.background_task.error IS 'Why it failed, as the API shows it.';


--
-- Name: COLUMN background_task.created_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.background_task.created_at IS 'When it was asked for, on Postgres''s clock.';


--
-- Name: COLUMN background_task.updated_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.background_task.updated_at IS 'When the last step ended. A task that has ended is deleted 90 days later.';


--
-- Name: COLUMN background_task.next_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.background_task.next_at IS 'When the next step may be made: at once, unless the task waits for deliveries or after a failure.';


--
-- Name: COLUMN background_task.duplicate; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.background_task.duplicate IS 'Began beside another of its kind, before that was refused; runs to its end.';


--
-- Name: CONSTRAINT background_task_id_check ON background_task; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT background_task_id_check ON postrider.background_task IS 'Ids have the prefix of their kind.';


--
-- Name: CONSTRAINT background_task_parameters_check ON background_task; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT background_task_parameters_check ON postrider.background_task IS 'Bounds in bytes what a client asked for.';


--
-- Name: CONSTRAINT background_task_status_check ON background_task; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT background_task_status_check ON postrider.background_task IS 'The statuses of the API.';


--
-- Name: CONSTRAINT background_task_task_check ON background_task; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT background_task_task_check ON postrider.background_task IS 'The kinds of tasks that the jobs can do.';


--
-- Name: connection; Type: VIEW; Schema: postrider; Owner: -
--

CREATE VIEW postrider.connection AS
 SELECT COALESCE(NULLIF(activity.application_name, ''::text), 'unknown'::text) AS component,
    (activity.usename)::text AS role,
    count(*) AS connections,
    count(*) FILTER (WHERE (activity.state = 'active'::text)) AS active,
    count(*) FILTER (WHERE (activity.state = 'idle'::text)) AS idle,
    count(*) FILTER (WHERE (activity.state ~~ 'idle in transaction%'::text)) AS idle_in_transaction,
    count(*) FILTER (WHERE (activity.wait_event_type = 'Lock'::text)) AS waiting_for_lock,
    max((now() - activity.xact_start)) AS longest_transaction,
    max((now() - activity.query_start)) FILTER (WHERE (activity.state = 'active'::text)) AS longest_statement
   FROM pg_stat_activity activity
  WHERE ((activity.datname = current_database()) AND (COALESCE(activity.backend_type, 'client backend'::text) = 'client backend'::text))
  GROUP BY activity.application_name, activity.usename;


--
-- Name: VIEW connection; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON VIEW postrider.connection IS 'Connections to this database, Postrider''s and others, by application_name. A role without pg_read_all_stats sees no state of other roles'' connections.';


--
-- Name: COLUMN connection.component; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.connection.component IS 'The application_name: Postrider''s begin with postrider, unless DATABASE_URL sets another.';


--
-- Name: COLUMN connection.role; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.connection.role IS 'The role that is logged in.';


--
-- Name: COLUMN connection.connections; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.connection.connections IS 'How many connections there are.';


--
-- Name: COLUMN connection.active; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.connection.active IS 'Those that execute a statement.';


--
-- Name: COLUMN connection.idle; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.connection.idle IS 'Those that wait for a statement.';


--
-- Name: COLUMN connection.idle_in_transaction; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.connection.idle_in_transaction IS 'Those that wait inside a transaction, and may hold locks and a snapshot.';


--
-- Name: COLUMN connection.waiting_for_lock; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.connection.waiting_for_lock IS 'Those whose statement waits for a lock.';


--
-- Name: COLUMN connection.longest_transaction; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.connection.longest_transaction IS 'The age of the oldest transaction; NULL: none is open.';


--
-- Name: COLUMN connection.longest_statement; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.connection.longest_statement IS 'For how long the oldest statement has been executed; NULL: none is.';


--
-- Name: outbox_dead_letter; Type: TABLE; Schema: postrider; Owner: -
--

CREATE TABLE postrider.outbox_dead_letter (
    id bigint NOT NULL,
    org_id text NOT NULL COLLATE pg_catalog."C",
    application text NOT NULL COLLATE pg_catalog."C",
    event_type text NOT NULL,
    payload text NOT NULL,
    event_id text COLLATE pg_catalog."C",
    channels text[],
    tags text[],
    traceparent text,
    created_at timestamp with time zone NOT NULL,
    reason text NOT NULL,
    refused_at timestamp with time zone NOT NULL,
    letter_id bigint NOT NULL
);


--
-- Name: TABLE outbox_dead_letter; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON TABLE postrider.outbox_dead_letter IS 'What was taken out of the outbox and could not be sent. It stays until somebody deletes it, or inserts it into the outbox again.';


--
-- Name: COLUMN outbox_dead_letter.id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox_dead_letter.id IS 'The id that it had in the outbox. Others may have had the same.';


--
-- Name: COLUMN outbox_dead_letter.org_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox_dead_letter.org_id IS 'As it was in the outbox.';


--
-- Name: COLUMN outbox_dead_letter.application; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox_dead_letter.application IS 'As it was in the outbox: the id or uid of an application.';


--
-- Name: COLUMN outbox_dead_letter.event_type; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox_dead_letter.event_type IS 'As it was in the outbox.';


--
-- Name: COLUMN outbox_dead_letter.payload; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox_dead_letter.payload IS 'As it was in the outbox.';


--
-- Name: COLUMN outbox_dead_letter.event_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox_dead_letter.event_id IS 'As it was in the outbox; NULL: it had none.';


--
-- Name: COLUMN outbox_dead_letter.channels; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox_dead_letter.channels IS 'As they were in the outbox; NULL: it had none.';


--
-- Name: COLUMN outbox_dead_letter.tags; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox_dead_letter.tags IS 'As they were in the outbox; NULL: it had none.';


--
-- Name: COLUMN outbox_dead_letter.traceparent; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox_dead_letter.traceparent IS 'As it was in the outbox; NULL: it had none.';


--
-- Name: COLUMN outbox_dead_letter.created_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox_dead_letter.created_at IS 'When the transaction began that inserted it into the outbox.';


--
-- Name: COLUMN outbox_dead_letter.reason; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox_dead_letter.reason IS 'Why it could not be sent.';


--
-- Name: COLUMN outbox_dead_letter.refused_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox_dead_letter.refused_at IS 'When a consumer put it aside.';


--
-- Name: COLUMN outbox_dead_letter.letter_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox_dead_letter.letter_id IS 'The order in which they were put aside.';


--
-- Name: dead_letter; Type: VIEW; Schema: postrider; Owner: -
--

CREATE VIEW postrider.dead_letter AS
 SELECT outbox_dead_letter.org_id,
    outbox_dead_letter.application,
    outbox_dead_letter.event_type,
    outbox_dead_letter.reason,
    count(*) AS letters,
    min(outbox_dead_letter.letter_id) AS first_letter_id,
    max(outbox_dead_letter.letter_id) AS last_letter_id,
    min(outbox_dead_letter.refused_at) AS first_refused_at,
    max(outbox_dead_letter.refused_at) AS last_refused_at
   FROM postrider.outbox_dead_letter
  GROUP BY outbox_dead_letter.org_id, outbox_dead_letter.application, outbox_dead_letter.event_type, outbox_dead_letter.reason;


--
-- Name: VIEW dead_letter; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON VIEW postrider.dead_letter IS 'What was refused in the outbox, by reason. Reads all of outbox_dead_letter, but not the payloads.';


--
-- Name: COLUMN dead_letter.org_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.dead_letter.org_id IS 'The organisation that sent them.';


--
-- Name: COLUMN dead_letter.application; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.dead_letter.application IS 'The id or uid of the application that they were sent to.';


--
-- Name: COLUMN dead_letter.event_type; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.dead_letter.event_type IS 'Their event type.';


--
-- Name: COLUMN dead_letter.reason; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.dead_letter.reason IS 'Why they could not be sent.';


--
-- Name: COLUMN dead_letter.letters; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.dead_letter.letters IS 'How many there are.';


--
-- Name: COLUMN dead_letter.first_letter_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.dead_letter.first_letter_id IS 'The lowest letter_id in outbox_dead_letter. Others may have numbers in between.';


--
-- Name: COLUMN dead_letter.last_letter_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.dead_letter.last_letter_id IS 'The highest letter_id in outbox_dead_letter.';


--
-- Name: COLUMN dead_letter.first_refused_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.dead_letter.first_refused_at IS 'When the first of them was put aside.';


--
-- Name: COLUMN dead_letter.last_refused_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.dead_letter.last_refused_at IS 'When the last of them was put aside.';


--
-- Name: dead_letter_id; Type: VIEW; Schema: postrider; Owner: -
--

CREATE VIEW postrider.dead_letter_id AS
 SELECT outbox_dead_letter.letter_id
   FROM postrider.outbox_dead_letter;


--
-- Name: VIEW dead_letter_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON VIEW postrider.dead_letter_id IS 'The numbers of the dead letters of the outbox, to count them. Reads an index.';


--
-- Name: COLUMN dead_letter_id.letter_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.dead_letter_id.letter_id IS 'The number of the letter.';


--
-- Name: delivery_seq; Type: SEQUENCE; Schema: postrider; Owner: -
--

CREATE SEQUENCE postrider.delivery_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: SEQUENCE delivery_seq; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON SEQUENCE postrider.delivery_seq IS 'Numbers the deliveries to FIFO endpoints.';


--
-- Name: delivery; Type: TABLE; Schema: postrider; Owner: -
--

CREATE TABLE postrider.delivery (
    app_id text NOT NULL COLLATE pg_catalog."C",
    message_id text NOT NULL COLLATE pg_catalog."C",
    endpoint_id text NOT NULL COLLATE pg_catalog."C",
    due_at timestamp with time zone NOT NULL,
    lease bigint NOT NULL,
    attempts smallint DEFAULT 0 NOT NULL,
    manual boolean DEFAULT false NOT NULL,
    resume_at timestamp with time zone,
    queue smallint DEFAULT 0 NOT NULL,
    seq bigint DEFAULT nextval('postrider.delivery_seq'::regclass),
    subject text COLLATE pg_catalog."C",
    place bigint,
    state text DEFAULT 'waiting'::text NOT NULL,
    txid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT delivery_attempts_check CHECK ((attempts >= 0)),
    CONSTRAINT delivery_due_at_check CHECK (isfinite(due_at)),
    CONSTRAINT delivery_lease_check CHECK (((lease >= 0) AND (lease < '9000000000000000000'::bigint))),
    CONSTRAINT delivery_queue_check CHECK (((queue >= 0) AND (queue <= 3))),
    CONSTRAINT delivery_resume_at_check CHECK (isfinite(resume_at)),
    CONSTRAINT delivery_seq_check CHECK (((queue <> 2) OR (seq IS NOT NULL))),
    CONSTRAINT delivery_state_check CHECK ((state = ANY (ARRAY['fresh'::text, 'waiting'::text, 'leased'::text]))),
    CONSTRAINT delivery_subject_place_check CHECK (((subject IS NULL) = (place IS NULL)))
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000', autovacuum_vacuum_cost_delay='0', autovacuum_analyze_scale_factor='0', autovacuum_analyze_threshold='50000');


--
-- Name: TABLE delivery; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON TABLE postrider.delivery IS 'A message still owed to an endpoint. Deleted when it has arrived or is given up.';


--
-- Name: COLUMN delivery.app_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.delivery.app_id IS 'The application of the message and the endpoint.';


--
-- Name: COLUMN delivery.message_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.delivery.message_id IS 'The message that is owed. If its payload is gone, the delivery is dropped when it is claimed.';


--
-- Name: COLUMN delivery.endpoint_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.delivery.endpoint_id IS 'The endpoint that it is owed to. If the endpoint is deleted or disabled, the delivery is dropped when it is claimed.';


--
-- Name: COLUMN delivery.due_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.delivery.due_at IS 'When it may be claimed. Claiming moves it ahead by the lease: a worker that dies is forgotten once it passes.';


--
-- Name: COLUMN delivery.lease; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.delivery.lease IS 'Counts the claims; a result is taken only from the one that still holds the number. 0: never claimed.';


--
-- Name: COLUMN delivery.attempts; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.delivery.attempts IS 'How many attempts have failed.';


--
-- Name: COLUMN delivery.manual; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.delivery.manual IS 'The next attempt was asked for by hand.';


--
-- Name: COLUMN delivery.resume_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.delivery.resume_at IS 'When the schedule goes on: due_at while it waits for its next attempt, or, while it is owed an attempt by hand, the time after that if it fails; NULL: the schedule has not begun or does not go on.';


--
-- Name: COLUMN delivery.queue; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.delivery.queue IS '0: first attempts, and what was asked for by hand; 1: retries; 2: in order, to a FIFO endpoint; 3: waits until those before it in its lane are over.';


--
-- Name: COLUMN delivery.seq; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.delivery.seq IS 'The place in the order of a FIFO endpoint, which is the order of the commits. Without a meaning in the other queues.';


--
-- Name: COLUMN delivery.subject; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.delivery.subject IS 'With endpoint_id, the lane of an operational webhook: those of one lane are delivered one after the other. NULL: it has none.';


--
-- Name: COLUMN delivery.place; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.delivery.place IS 'The place in its lane: the id of the operational event. NULL without a subject.';


--
-- Name: COLUMN delivery.state; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.delivery.state IS 'fresh: stored and not looked at yet; waiting: may be claimed at due_at; leased: a worker has it until due_at.';


--
-- Name: COLUMN delivery.txid; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.delivery.txid IS 'The transaction that inserted the row. Fresh deliveries are taken by it.';


--
-- Name: CONSTRAINT delivery_attempts_check ON delivery; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT delivery_attempts_check ON postrider.delivery IS 'The number of failed attempts is never negative.';


--
-- Name: CONSTRAINT delivery_due_at_check ON delivery; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT delivery_due_at_check ON postrider.delivery IS 'Workers cannot read an infinite time.';


--
-- Name: CONSTRAINT delivery_lease_check ON delivery; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT delivery_lease_check ON postrider.delivery IS 'The number of claims is not negative, and can still be counted on.';


--
-- Name: CONSTRAINT delivery_queue_check ON delivery; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT delivery_queue_check ON postrider.delivery IS 'The queues that claims know.';


--
-- Name: CONSTRAINT delivery_resume_at_check ON delivery; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT delivery_resume_at_check ON postrider.delivery IS 'Workers cannot read an infinite time.';


--
-- Name: CONSTRAINT delivery_seq_check ON delivery; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT delivery_seq_check ON postrider.delivery IS 'Deliveries to FIFO endpoints have a place in the order.';


--
-- Name: CONSTRAINT delivery_state_check ON delivery; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT delivery_state_check ON postrider.delivery IS 'The states that workers know. Each has an index of its own.';


--
-- Name: CONSTRAINT delivery_subject_place_check ON delivery; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT delivery_subject_place_check ON postrider.delivery IS 'A delivery has a place exactly if it belongs to a lane.';


--
-- Name: delivery_position; Type: TABLE; Schema: postrider; Owner: -
--

CREATE TABLE postrider.delivery_position (
    id bigint NOT NULL,
    snapshot pg_snapshot NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000', autovacuum_vacuum_cost_delay='0');


--
-- Name: TABLE delivery_position; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON TABLE postrider.delivery_position IS 'How far fresh deliveries were taken: one row, the latest; none until a worker has started. Each take inserts its own and deletes the one before, so that the latest is found first.';


--
-- Name: COLUMN delivery_position.id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.delivery_position.id IS 'Counts the takes.';


--
-- Name: COLUMN delivery_position.snapshot; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.delivery_position.snapshot IS 'Fresh deliveries of transactions that are visible in it were taken.';


--
-- Name: endpoint; Type: TABLE; Schema: postrider; Owner: -
--

CREATE TABLE postrider.endpoint (
    app_id text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    uid text COLLATE pg_catalog."C",
    url text NOT NULL,
    description text NOT NULL,
    version integer NOT NULL,
    throttle_rate integer,
    disabled boolean NOT NULL,
    event_types text[],
    channels text[],
    secret bytea NOT NULL,
    headers jsonb NOT NULL,
    metadata jsonb NOT NULL,
    failing_since timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    old_secrets bytea[] DEFAULT '{}'::bytea[] NOT NULL,
    old_secrets_expire_at timestamp with time zone[] DEFAULT '{}'::timestamp with time zone[] NOT NULL,
    fifo boolean DEFAULT false NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    paused_at timestamp with time zone,
    paused_until timestamp with time zone,
    throttled_until timestamp with time zone,
    disabled_reason text,
    CONSTRAINT endpoint_disabled_reason_check CHECK ((disabled_reason = ANY (ARRAY['gone'::text, 'failing'::text]))),
    CONSTRAINT endpoint_event_types_channels_check CHECK (((pg_column_size(event_types) <= 300000) AND (pg_column_size(channels) <= 4096))),
    CONSTRAINT endpoint_headers_check CHECK (((jsonb_typeof(headers) = 'object'::text) AND (NOT jsonb_path_exists(headers, 'strict $.*?(@.type() != "string")'::jsonpath)))),
    CONSTRAINT endpoint_headers_metadata_check CHECK (((pg_column_size(headers) <= 131072) AND (pg_column_size(metadata) <= 16384))),
    CONSTRAINT endpoint_id_check CHECK ((id ~~ 'ep\_%'::text)),
    CONSTRAINT endpoint_old_secrets_check CHECK (((cardinality(old_secrets) = cardinality(old_secrets_expire_at)) AND (cardinality(old_secrets) <= 10))),
    CONSTRAINT endpoint_old_secrets_present_check CHECK (((array_position(old_secrets, NULL::bytea) IS NULL) AND (array_position(old_secrets_expire_at, NULL::timestamp with time zone) IS NULL) AND ('infinity'::timestamp with time zone <> ALL (old_secrets_expire_at)) AND ('-infinity'::timestamp with time zone <> ALL (old_secrets_expire_at)))),
    CONSTRAINT endpoint_paused_check CHECK (((paused_at IS NULL) = (paused_until IS NULL))),
    CONSTRAINT endpoint_paused_until_check CHECK (isfinite(paused_until)),
    CONSTRAINT endpoint_secret_old_secrets_check CHECK (((octet_length(secret) <= 524288) AND (pg_column_size(old_secrets) <= 16384))),
    CONSTRAINT endpoint_throttle_rate_check CHECK (((throttle_rate >= 1) AND (throttle_rate <= 65535))),
    CONSTRAINT endpoint_throttled_until_check CHECK (isfinite(throttled_until)),
    CONSTRAINT endpoint_uid_check CHECK ((uid !~~ 'ep\_%'::text)),
    CONSTRAINT endpoint_uid_url_description_check CHECK (((octet_length(uid) <= 256) AND (octet_length(url) <= 131072) AND (octet_length(description) <= 16384)))
);


--
-- Name: TABLE endpoint; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON TABLE postrider.endpoint IS 'Where an application wants its webhooks. Read in full for each message of the application: that is the fan-out.';


--
-- Name: COLUMN endpoint.app_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint.app_id IS 'The application it belongs to.';


--
-- Name: COLUMN endpoint.id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint.id IS 'Contains the time of creation. Unique in all applications.';


--
-- Name: COLUMN endpoint.uid; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint.uid IS 'The client''s own name for it. Never begins like an id, so that one lookup serves both.';


--
-- Name: COLUMN endpoint.url; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint.url IS 'Where its webhooks go. With *** for the user and password: those are sealed in secret.';


--
-- Name: COLUMN endpoint.description; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint.description IS 'A text for people, set by the client.';


--
-- Name: COLUMN endpoint.version; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint.version IS 'A number of the client''s own, from the API; changes nothing.';


--
-- Name: COLUMN endpoint.throttle_rate; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint.throttle_rate IS 'Attempts per second; NULL is unlimited.';


--
-- Name: COLUMN endpoint.disabled; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint.disabled IS 'It gets no webhooks. Set by a client, or by a worker, which also sets disabled_reason.';


--
-- Name: COLUMN endpoint.event_types; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint.event_types IS 'The event types it wants; NULL: all.';


--
-- Name: COLUMN endpoint.channels; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint.channels IS 'It wants only messages with one of these channels; NULL: messages with and without channels alike.';


--
-- Name: COLUMN endpoint.secret; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint.secret IS 'The key that signs its webhooks. Encrypted, it may hold the headers and the user and password of the URL as well. Never in a log, never in a list.';


--
-- Name: COLUMN endpoint.headers; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint.headers IS 'Its own HTTP headers by name. Empty if it has none, or if they are sealed in secret. Values may be credentials: never in a log.';


--
-- Name: COLUMN endpoint.metadata; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint.metadata IS 'A JSON object of the client''s own; Postrider never reads it.';


--
-- Name: COLUMN endpoint.failing_since; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint.failing_since IS 'The first failed attempt since the last that succeeded; NULL: the last one succeeded.';


--
-- Name: COLUMN endpoint.created_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint.created_at IS 'When it was created, on Postgres''s clock. Only later messages are sent to it, unless a replay is asked for.';


--
-- Name: COLUMN endpoint.updated_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint.updated_at IS 'When a client last changed it, or when it was disabled.';


--
-- Name: COLUMN endpoint.deleted_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint.deleted_at IS 'Set, the row is kept for the attempts that name it, and nobody can reach it.';


--
-- Name: COLUMN endpoint.old_secrets; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint.old_secrets IS 'Secrets it had before, the latest first. Never in a log, never in a list.';


--
-- Name: COLUMN endpoint.old_secrets_expire_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint.old_secrets_expire_at IS 'Until when each of them signs too.';


--
-- Name: COLUMN endpoint.fifo; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint.fifo IS 'Its messages are delivered in order, one at a time.';


--
-- Name: COLUMN endpoint.failures; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint.failures IS 'How many attempts in a row have failed.';


--
-- Name: COLUMN endpoint.paused_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint.paused_at IS 'When the pause was set; an attempt that began later and succeeds ends it.';


--
-- Name: COLUMN endpoint.paused_until; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint.paused_until IS 'No attempt begins before; then one at a time, until one succeeds. NULL: not paused.';


--
-- Name: COLUMN endpoint.throttled_until; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint.throttled_until IS 'With a throttle_rate: when the next attempt may begin if every one before took its time.';


--
-- Name: COLUMN endpoint.disabled_reason; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint.disabled_reason IS 'Why it was disabled by us: gone (it answered 410) or failing (for too long). NULL: it was not.';


--
-- Name: CONSTRAINT endpoint_disabled_reason_check ON endpoint; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT endpoint_disabled_reason_check ON postrider.endpoint IS 'The reasons for which workers disable an endpoint.';


--
-- Name: CONSTRAINT endpoint_event_types_channels_check ON endpoint; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT endpoint_event_types_channels_check ON postrider.endpoint IS 'Bounds in bytes of what a client stores.';


--
-- Name: CONSTRAINT endpoint_headers_check ON endpoint; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT endpoint_headers_check ON postrider.endpoint IS 'Workers can only send text: an object whose values are strings.';


--
-- Name: CONSTRAINT endpoint_headers_metadata_check ON endpoint; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT endpoint_headers_metadata_check ON postrider.endpoint IS 'Bounds in bytes of what a client stores.';


--
-- Name: CONSTRAINT endpoint_id_check ON endpoint; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT endpoint_id_check ON postrider.endpoint IS 'Ids have the prefix of their kind.';


--
-- Name: CONSTRAINT endpoint_old_secrets_check ON endpoint; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT endpoint_old_secrets_check ON postrider.endpoint IS 'Each old secret has an end, and there are at most ten.';


--
-- Name: CONSTRAINT endpoint_old_secrets_present_check ON endpoint; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT endpoint_old_secrets_present_check ON postrider.endpoint IS 'Workers cannot read a NULL among secrets or an infinite time.';


--
-- Name: CONSTRAINT endpoint_paused_check ON endpoint; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT endpoint_paused_check ON postrider.endpoint IS 'A pause has a beginning and an end.';


--
-- Name: CONSTRAINT endpoint_paused_until_check ON endpoint; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT endpoint_paused_until_check ON postrider.endpoint IS 'Workers cannot read an infinite time.';


--
-- Name: CONSTRAINT endpoint_secret_old_secrets_check ON endpoint; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT endpoint_secret_old_secrets_check ON postrider.endpoint IS 'Bounds in bytes. Encrypted secrets are larger than plain ones.';


--
-- Name: CONSTRAINT endpoint_throttle_rate_check ON endpoint; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT endpoint_throttle_rate_check ON postrider.endpoint IS 'The bounds of the API, in attempts per second.';


--
-- Name: CONSTRAINT endpoint_throttled_until_check ON endpoint; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT endpoint_throttled_until_check ON postrider.endpoint IS 'Workers cannot read an infinite time.';


--
-- Name: CONSTRAINT endpoint_uid_check ON endpoint; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT endpoint_uid_check ON postrider.endpoint IS 'A uid never looks like an id, so that one look-up serves both.';


--
-- Name: CONSTRAINT endpoint_uid_url_description_check ON endpoint; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT endpoint_uid_url_description_check ON postrider.endpoint IS 'Bounds in bytes of what a client stores.';


--
-- Name: endpoint_url; Type: VIEW; Schema: postrider; Owner: -
--

CREATE VIEW postrider.endpoint_url AS
 SELECT endpoint.app_id,
    endpoint.id,
    regexp_replace(endpoint.url, '^([^:]*:[/\\\t\r\n]*|)[^/\\?#]*@'::text, '\1***@'::text) AS url
   FROM postrider.endpoint;


--
-- Name: VIEW endpoint_url; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON VIEW postrider.endpoint_url IS 'The URLs of all endpoints, for roles that may not read endpoint.url.';


--
-- Name: COLUMN endpoint_url.app_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint_url.app_id IS 'The application that the endpoint belongs to.';


--
-- Name: COLUMN endpoint_url.id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint_url.id IS 'The id of the endpoint.';


--
-- Name: COLUMN endpoint_url.url; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.endpoint_url.url IS 'Where its webhooks go, with *** for a user and password.';


--
-- Name: event_type; Type: TABLE; Schema: postrider; Owner: -
--

CREATE TABLE postrider.event_type (
    org_id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    description text NOT NULL,
    archived boolean NOT NULL,
    deprecated boolean NOT NULL,
    schemas json,
    feature_flags text[],
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    group_name text,
    CONSTRAINT event_type_name_description_group_name_check CHECK (((octet_length(name) <= 256) AND (octet_length(description) <= 16384) AND (octet_length(group_name) <= 256))),
    CONSTRAINT event_type_schemas_feature_flags_check CHECK (((pg_column_size(schemas) <= 524292) AND (pg_column_size(feature_flags) <= 300000)))
);


--
-- Name: TABLE event_type; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON TABLE postrider.event_type IS 'A kind of event an organisation sends. Sending does not require one; subscribing does.';


--
-- Name: COLUMN event_type.org_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.event_type.org_id IS 'The organisation that sends it.';


--
-- Name: COLUMN event_type.name; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.event_type.name IS 'What messages and endpoints call it, such as invoice.paid.';


--
-- Name: COLUMN event_type.description; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.event_type.description IS 'A text for people, set by the client.';


--
-- Name: COLUMN event_type.archived; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.event_type.archived IS 'Hidden from lists, and no endpoint can newly subscribe to it.';


--
-- Name: COLUMN event_type.deprecated; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.event_type.deprecated IS 'Shown to clients; changes nothing.';


--
-- Name: COLUMN event_type.schemas; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.event_type.schemas IS 'JSON Schemas by version, as the client wrote them: json, because jsonb would reorder them.';


--
-- Name: COLUMN event_type.feature_flags; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.event_type.feature_flags IS 'Only application tokens that carry one of these see it; NULL: all do.';


--
-- Name: COLUMN event_type.created_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.event_type.created_at IS 'When it was created, on Postgres''s clock.';


--
-- Name: COLUMN event_type.updated_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.event_type.updated_at IS 'When a client last changed it.';


--
-- Name: COLUMN event_type.group_name; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.event_type.group_name IS 'What it belongs to, in the client''s words; NULL: nothing.';


--
-- Name: CONSTRAINT event_type_name_description_group_name_check ON event_type; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT event_type_name_description_group_name_check ON postrider.event_type IS 'Bounds in bytes of what a client stores.';


--
-- Name: CONSTRAINT event_type_schemas_feature_flags_check ON event_type; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT event_type_schemas_feature_flags_check ON postrider.event_type IS 'Bounds in bytes of what a client stores.';


--
-- Name: failing_endpoint; Type: VIEW; Schema: postrider; Owner: -
--

CREATE VIEW postrider.failing_endpoint AS
 SELECT endpoint.app_id,
    endpoint.id AS endpoint_id,
    regexp_replace(endpoint.url, '^([^:]*:[/\\\t\r\n]*|)[^/\\?#]*@'::text, '\1***@'::text) AS url,
    endpoint.failing_since,
    endpoint.failures,
    endpoint.disabled,
    endpoint.disabled_reason,
    endpoint.paused_until,
    owed.due_at,
    failed.created_at AS failed_at,
    failed.response_status_code,
    failed.response
   FROM ((postrider.endpoint
     LEFT JOIN LATERAL ( SELECT min(earliest.due_at) AS due_at
           FROM (unnest(ARRAY[(0)::smallint, (1)::smallint, (2)::smallint]) claimed(queue)
             CROSS JOIN LATERAL ( SELECT delivery.due_at
                   FROM postrider.delivery
                  WHERE ((delivery.state = 'waiting'::text) AND (delivery.queue = claimed.queue) AND (delivery.endpoint_id = endpoint.id))
                  ORDER BY delivery.due_at
                 LIMIT 1) earliest)) owed ON (true))
     LEFT JOIN LATERAL ( SELECT attempt.created_at,
            attempt.response_status_code,
            "left"(attempt.response, 200) AS response
           FROM postrider.attempt
          WHERE ((attempt.app_id = endpoint.app_id) AND (attempt.endpoint_id = endpoint.id) AND (attempt.status = 2))
          ORDER BY attempt.id DESC
         LIMIT 1) failed ON (true))
  WHERE ((endpoint.deleted_at IS NULL) AND ((endpoint.failing_since IS NOT NULL) OR (endpoint.disabled_reason IS NOT NULL)));


--
-- Name: VIEW failing_endpoint; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON VIEW postrider.failing_endpoint IS 'Endpoints whose last attempt failed, and those that were disabled for it. Reads all of endpoint, and for each endpoint that it shows an index entry of each partition of attempt.';


--
-- Name: COLUMN failing_endpoint.app_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.failing_endpoint.app_id IS 'The application of the endpoint.';


--
-- Name: COLUMN failing_endpoint.endpoint_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.failing_endpoint.endpoint_id IS 'The endpoint.';


--
-- Name: COLUMN failing_endpoint.url; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.failing_endpoint.url IS 'Where its webhooks go, with *** for a user and password.';


--
-- Name: COLUMN failing_endpoint.failing_since; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.failing_endpoint.failing_since IS 'The first failed attempt since the last that succeeded.';


--
-- Name: COLUMN failing_endpoint.failures; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.failing_endpoint.failures IS 'How many attempts in a row have failed.';


--
-- Name: COLUMN failing_endpoint.disabled; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.failing_endpoint.disabled IS 'It gets no webhooks.';


--
-- Name: COLUMN failing_endpoint.disabled_reason; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.failing_endpoint.disabled_reason IS 'Why it was disabled by us: gone (it answered 410) or failing (for too long). NULL: it was not.';


--
-- Name: COLUMN failing_endpoint.paused_until; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.failing_endpoint.paused_until IS 'No attempt begins before; NULL: not paused.';


--
-- Name: COLUMN failing_endpoint.due_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.failing_endpoint.due_at IS 'When the next delivery that waits for it is due; NULL: none waits.';


--
-- Name: COLUMN failing_endpoint.failed_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.failing_endpoint.failed_at IS 'When its last failed attempt began; NULL: its partition has been dropped.';


--
-- Name: COLUMN failing_endpoint.response_status_code; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.failing_endpoint.response_status_code IS 'The HTTP status of that attempt; 0: there was no response.';


--
-- Name: COLUMN failing_endpoint.response; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.failing_endpoint.response IS 'The first 200 characters of the response; without one, why there was none.';


--
-- Name: idempotency_key; Type: TABLE; Schema: postrider; Owner: -
--

CREATE TABLE postrider.idempotency_key (
    org_id text NOT NULL COLLATE pg_catalog."C",
    key_hash bytea NOT NULL,
    status smallint NOT NULL,
    body bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT idempotency_key_key_hash_check CHECK ((octet_length(key_hash) = 32)),
    CONSTRAINT idempotency_key_status_check CHECK (((status = 0) OR ((status >= 200) AND (status <= 299))))
);


--
-- Name: TABLE idempotency_key; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON TABLE postrider.idempotency_key IS 'The answers to POST requests that came with an idempotency key, each for 12 hours. Those to messages are in message_key.';


--
-- Name: COLUMN idempotency_key.org_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.idempotency_key.org_id IS 'The organisation whose token came with the key.';


--
-- Name: COLUMN idempotency_key.key_hash; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.idempotency_key.key_hash IS 'SHA-256 of what the token may do, the method, path and query, and the key.';


--
-- Name: COLUMN idempotency_key.status; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.idempotency_key.status IS 'HTTP status of the answer; 0 inside the transaction that works on it, which nobody else sees.';


--
-- Name: COLUMN idempotency_key.body; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.idempotency_key.body IS 'The answer''s exact bytes; empty if it had none.';


--
-- Name: COLUMN idempotency_key.created_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.idempotency_key.created_at IS 'When the first request with the key came. The row is deleted 12 hours later.';


--
-- Name: CONSTRAINT idempotency_key_key_hash_check ON idempotency_key; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT idempotency_key_key_hash_check ON postrider.idempotency_key IS 'A SHA-256 has 32 bytes.';


--
-- Name: CONSTRAINT idempotency_key_status_check ON idempotency_key; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT idempotency_key_status_check ON postrider.idempotency_key IS 'Only successful answers are kept.';


--
-- Name: message; Type: TABLE; Schema: postrider; Owner: -
--

CREATE TABLE postrider.message (
    app_id text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    event_id text COLLATE pg_catalog."C",
    event_type text NOT NULL,
    channels text[],
    tags text[],
    payload text,
    expires_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    content_type text,
    deliver_at timestamp with time zone,
    traceparent text
)
PARTITION BY RANGE (id);


--
-- Name: TABLE message; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON TABLE postrider.message IS 'An event an organisation sent to an application. Append-only; a partition a week.';


--
-- Name: COLUMN message.app_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.message.app_id IS 'The application it was sent to.';


--
-- Name: COLUMN message.id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.message.id IS 'Contains the time at which it was accepted, and selects the partition.';


--
-- Name: COLUMN message.event_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.message.event_id IS 'The sender''s own name for it; unique in the application by message_event_id.';


--
-- Name: COLUMN message.event_type; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.message.event_type IS 'Selects the endpoints that want it. Need not be in event_type.';


--
-- Name: COLUMN message.channels; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.message.channels IS 'Selects endpoints too: those that have one of these channels, or none; NULL: it has no channels.';


--
-- Name: COLUMN message.tags; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.message.tags IS 'Names for searching, set by the sender; NULL: none.';


--
-- Name: COLUMN message.payload; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.message.payload IS 'The sender''s exact bytes, which are what is signed and sent; NULL once expunged.';


--
-- Name: COLUMN message.expires_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.message.expires_at IS 'From then on the payload is neither shown nor sent.';


--
-- Name: COLUMN message.created_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.message.created_at IS 'When it was accepted, on Postgres''s clock.';


--
-- Name: COLUMN message.content_type; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.message.content_type IS 'The Content-Type of its webhooks; NULL: application/json.';


--
-- Name: COLUMN message.deliver_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.message.deliver_at IS 'Its first attempts wait for this time; NULL: they are made at once.';


--
-- Name: COLUMN message.traceparent; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.message.traceparent IS 'The trace it is part of, as in the W3C''s header of that name; NULL: none.';


--
-- Name: message_default; Type: TABLE; Schema: postrider; Owner: -
--

CREATE TABLE postrider.message_default (
    app_id text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    event_id text COLLATE pg_catalog."C",
    event_type text NOT NULL,
    channels text[],
    tags text[],
    payload text,
    expires_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    content_type text,
    deliver_at timestamp with time zone,
    traceparent text
);


--
-- Name: TABLE message_default; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON TABLE postrider.message_default IS 'Catches messages of a time that has no partition, so that none is ever refused. The jobs move them to one of their own.';


--
-- Name: message_event_id; Type: TABLE; Schema: postrider; Owner: -
--

CREATE TABLE postrider.message_event_id (
    app_id text NOT NULL COLLATE pg_catalog."C",
    event_id text NOT NULL COLLATE pg_catalog."C",
    message_id text NOT NULL COLLATE pg_catalog."C"
);


--
-- Name: TABLE message_event_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON TABLE postrider.message_event_id IS 'Makes event ids unique in an application, over all partitions.';


--
-- Name: COLUMN message_event_id.app_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.message_event_id.app_id IS 'The application the message was sent to.';


--
-- Name: COLUMN message_event_id.event_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.message_event_id.event_id IS 'The sender''s own name for the message.';


--
-- Name: COLUMN message_event_id.message_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.message_event_id.message_id IS 'The message that has this name. It may have been in a partition that has been dropped since.';


--
-- Name: message_key; Type: TABLE; Schema: postrider; Owner: -
--

CREATE TABLE postrider.message_key (
    app_id text NOT NULL COLLATE pg_catalog."C",
    key_hash bytea NOT NULL,
    message_id text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT message_key_key_hash_check CHECK ((octet_length(key_hash) = 32))
);


--
-- Name: TABLE message_key; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON TABLE postrider.message_key IS 'The idempotency keys messages were sent with, each for 12 hours.';


--
-- Name: COLUMN message_key.app_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.message_key.app_id IS 'The application the message was sent to.';


--
-- Name: COLUMN message_key.key_hash; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.message_key.key_hash IS 'SHA-256 of the key.';


--
-- Name: COLUMN message_key.message_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.message_key.message_id IS 'The message that was stored for the first request with the key, and is the answer to all others.';


--
-- Name: COLUMN message_key.created_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.message_key.created_at IS 'When the first request with the key came. The row is deleted 12 hours later.';


--
-- Name: CONSTRAINT message_key_key_hash_check ON message_key; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT message_key_key_hash_check ON postrider.message_key IS 'A SHA-256 has 32 bytes.';


--
-- Name: oldest_due; Type: VIEW; Schema: postrider; Owner: -
--

CREATE VIEW postrider.oldest_due AS
 WITH RECURSIVE first_waiting AS (
        ( SELECT delivery.queue,
            delivery.endpoint_id,
            delivery.due_at
           FROM postrider.delivery
          WHERE (delivery.state = 'waiting'::text)
          ORDER BY delivery.queue, delivery.endpoint_id, delivery.due_at
         LIMIT 1)
        UNION ALL
         SELECT following.queue,
            following.endpoint_id,
            following.due_at
           FROM (first_waiting
             CROSS JOIN LATERAL ( SELECT delivery.queue,
                    delivery.endpoint_id,
                    delivery.due_at
                   FROM postrider.delivery
                  WHERE ((delivery.state = 'waiting'::text) AND (ROW(delivery.queue, delivery.endpoint_id) > ROW(first_waiting.queue, first_waiting.endpoint_id)))
                  ORDER BY delivery.queue, delivery.endpoint_id, delivery.due_at
                 LIMIT 1) following)
        ), oldest AS (
        ( SELECT DISTINCT ON (first_waiting.queue) 'waiting'::text AS state,
            first_waiting.queue,
            first_waiting.endpoint_id,
            first_waiting.due_at
           FROM first_waiting
          ORDER BY first_waiting.queue, first_waiting.due_at, first_waiting.endpoint_id)
        UNION ALL
        ( SELECT 'fresh'::text AS state,
            delivery.queue,
            delivery.endpoint_id,
            delivery.due_at
           FROM postrider.delivery
          WHERE (delivery.state = 'fresh'::text)
          ORDER BY delivery.txid
         LIMIT 1)
        UNION ALL
        ( SELECT 'leased'::text AS state,
            delivery.queue,
            delivery.endpoint_id,
            delivery.due_at
           FROM postrider.delivery
          WHERE (delivery.state = 'leased'::text)
          ORDER BY delivery.due_at
         LIMIT 1)
        )
 SELECT oldest.state,
    oldest.queue,
    oldest.endpoint_id,
    oldest.due_at,
        CASE
            WHEN (oldest.due_at < now()) THEN (now() - oldest.due_at)
            ELSE NULL::interval
        END AS overdue
   FROM oldest;


--
-- Name: VIEW oldest_due; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON VIEW postrider.oldest_due IS 'The delivery that is due first: among the fresh ones, the leased ones, and the waiting ones of each queue. Reads one index entry for each queue and endpoint for which something waits.';


--
-- Name: COLUMN oldest_due.state; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.oldest_due.state IS 'fresh: stored first; waiting: due first; leased: the lease that ends first.';


--
-- Name: COLUMN oldest_due.queue; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.oldest_due.queue IS 'Its queue: 0: first attempts, and what was asked for by hand; 1: retries; 2: in order, to a FIFO endpoint; 3: waits for an earlier one.';


--
-- Name: COLUMN oldest_due.endpoint_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.oldest_due.endpoint_id IS 'The endpoint that it is owed to.';


--
-- Name: COLUMN oldest_due.due_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.oldest_due.due_at IS 'When it may be claimed. Of a leased one: when the worker must have ended, or another one gets it.';


--
-- Name: COLUMN oldest_due.overdue; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.oldest_due.overdue IS 'How long that time has passed; NULL: it has not. Seconds are normal under load; minutes mean that workers are missing or the endpoint is slow.';


--
-- Name: operational_event; Type: TABLE; Schema: postrider; Owner: -
--

CREATE TABLE postrider.operational_event (
    id bigint NOT NULL,
    org_id text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL,
    payload text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    subject text COLLATE pg_catalog."C"
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000', autovacuum_vacuum_cost_delay='0', autovacuum_analyze_scale_factor='0', autovacuum_analyze_threshold='50000');


--
-- Name: TABLE operational_event; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON TABLE postrider.operational_event IS 'Operational webhooks that are not messages yet. The jobs take them out each second.';


--
-- Name: COLUMN operational_event.id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.operational_event.id IS 'The order in which an organisation is told.';


--
-- Name: COLUMN operational_event.org_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.operational_event.org_id IS 'The organisation that is told. Its endpoints are those of the application of the reserved organisation that has this as its uid.';


--
-- Name: COLUMN operational_event.type; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.operational_event.type IS 'The event type, such as endpoint.disabled.';


--
-- Name: COLUMN operational_event.payload; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.operational_event.payload IS 'What is sent, to the byte: {"type": ..., "data": {...}}.';


--
-- Name: COLUMN operational_event.created_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.operational_event.created_at IS 'When its transaction began. Old ones mean that no process runs the jobs.';


--
-- Name: COLUMN operational_event.subject; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.operational_event.subject IS 'What it is about: the id of an endpoint or task, or those of a message and an endpoint. NULL: nothing whose events have an order.';


--
-- Name: operational_event_id_seq; Type: SEQUENCE; Schema: postrider; Owner: -
--

ALTER TABLE postrider.operational_event ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME postrider.operational_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: SEQUENCE operational_event_id_seq; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON SEQUENCE postrider.operational_event_id_seq IS 'Numbers the operational events.';


--
-- Name: outbox_dead_letter_letter_id_seq; Type: SEQUENCE; Schema: postrider; Owner: -
--

ALTER TABLE postrider.outbox_dead_letter ALTER COLUMN letter_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME postrider.outbox_dead_letter_letter_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: SEQUENCE outbox_dead_letter_letter_id_seq; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON SEQUENCE postrider.outbox_dead_letter_letter_id_seq IS 'Numbers the dead letters.';


--
-- Name: outbox_lag; Type: VIEW; Schema: postrider; Owner: -
--

CREATE VIEW postrider.outbox_lag AS
 SELECT 'outbox'::text AS name,
    ( SELECT count(*) AS count
           FROM postrider.outbox) AS messages,
    first.created_at AS oldest_at,
    (now() - first.created_at) AS age
   FROM (( VALUES (1)) always(one)
     LEFT JOIN ( SELECT outbox.created_at
           FROM postrider.outbox
          ORDER BY outbox.id
         LIMIT 1) first ON (true))
UNION ALL
 SELECT 'operational_event'::text AS name,
    ( SELECT count(*) AS count
           FROM postrider.operational_event) AS messages,
    first.created_at AS oldest_at,
    (now() - first.created_at) AS age
   FROM (( VALUES (1)) always(one)
     LEFT JOIN ( SELECT operational_event.created_at
           FROM postrider.operational_event
          ORDER BY operational_event.id
         LIMIT 1) first ON (true));


--
-- Name: VIEW outbox_lag; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON VIEW postrider.outbox_lag IS 'How many messages wait in outbox and in operational_event to be taken in, and how long the first has waited. Counts by reading all of an index; the age alone is one look-up: SELECT name, age.';


--
-- Name: COLUMN outbox_lag.name; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox_lag.name IS 'outbox: of producers, taken in by consume; operational_event: operational webhooks, taken in by jobs.';


--
-- Name: COLUMN outbox_lag.messages; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox_lag.messages IS 'How many wait.';


--
-- Name: COLUMN outbox_lag.oldest_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox_lag.oldest_at IS 'When the transaction began that inserted the first; NULL: none waits.';


--
-- Name: COLUMN outbox_lag.age; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.outbox_lag.age IS 'How long ago that is. More than some seconds: no process takes them in, or not fast enough.';


--
-- Name: partition; Type: VIEW; Schema: postrider; Owner: -
--

CREATE VIEW postrider.partition AS
 SELECT described.parent,
    described.name,
    described.from_id,
    described.to_id,
    postrider.id_time(described.from_id) AS from_at,
    postrider.id_time(described.to_id) AS to_at,
    described.rows,
    pg_total_relation_size((described.oid)::regclass) AS bytes,
    pg_indexes_size((described.oid)::regclass) AS index_bytes
   FROM ( SELECT part.oid,
            (parent.relname)::text AS parent,
            (part.relname)::text AS name,
            "substring"(pg_get_expr(part.relpartbound, part.oid), 'FROM \(''([^'']*)''\)'::text) AS from_id,
            "substring"(pg_get_expr(part.relpartbound, part.oid), 'TO \(''([^'']*)''\)'::text) AS to_id,
                CASE
                    WHEN (part.reltuples >= (0)::double precision) THEN (part.reltuples)::bigint
                    ELSE NULL::bigint
                END AS rows
           FROM ((pg_inherits inherits
             JOIN pg_class part ON ((part.oid = inherits.inhrelid)))
             JOIN pg_class parent ON ((parent.oid = inherits.inhparent)))
          WHERE (inherits.inhparent = ANY (ARRAY[('postrider.message'::regclass)::oid, ('postrider.attempt'::regclass)::oid]))) described;


--
-- Name: VIEW partition; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON VIEW postrider.partition IS 'The partitions of message and attempt. Reads the catalog, and asks the file system for sizes.';


--
-- Name: COLUMN partition.parent; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.partition.parent IS 'message or attempt.';


--
-- Name: COLUMN partition.name; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.partition.name IS 'The name of the table: that of the parent, and the Monday on which it begins.';


--
-- Name: COLUMN partition.from_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.partition.from_id IS 'The lowest id that it holds; NULL: the default partition, which holds what no other does.';


--
-- Name: COLUMN partition.to_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.partition.to_id IS 'The id below which it ends; NULL: the default partition.';


--
-- Name: COLUMN partition.from_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.partition.from_at IS 'The time of from_id.';


--
-- Name: COLUMN partition.to_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.partition.to_at IS 'The time of to_id.';


--
-- Name: COLUMN partition.rows; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.partition.rows IS 'The number of rows at the last VACUUM or ANALYZE; NULL: there was none. Of a default partition it should be 0.';


--
-- Name: COLUMN partition.bytes; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.partition.bytes IS 'Its size on disk with indexes and TOAST.';


--
-- Name: COLUMN partition.index_bytes; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.partition.index_bytes IS 'The size of its indexes, which is part of bytes.';


--
-- Name: queue; Type: VIEW; Schema: postrider; Owner: -
--

CREATE VIEW postrider.queue AS
 SELECT owed.app_id,
    owed.endpoint_id,
    owed.deliveries,
    owed.fresh,
    owed.waiting,
    owed.leased,
    owed.first_attempts,
    owed.retries,
    owed.in_order,
    owed.behind,
    owed.past_due,
    owed.due_at,
        CASE
            WHEN (owed.due_at < now()) THEN (now() - owed.due_at)
            ELSE NULL::interval
        END AS overdue,
    endpoint.disabled,
    endpoint.paused_until
   FROM (( SELECT delivery.app_id,
            delivery.endpoint_id,
            count(*) AS deliveries,
            count(*) FILTER (WHERE (delivery.state = 'fresh'::text)) AS fresh,
            count(*) FILTER (WHERE (delivery.state = 'waiting'::text)) AS waiting,
            count(*) FILTER (WHERE (delivery.state = 'leased'::text)) AS leased,
            count(*) FILTER (WHERE (delivery.queue = 0)) AS first_attempts,
            count(*) FILTER (WHERE (delivery.queue = 1)) AS retries,
            count(*) FILTER (WHERE (delivery.queue = 2)) AS in_order,
            count(*) FILTER (WHERE (delivery.queue = 3)) AS behind,
            count(*) FILTER (WHERE (delivery.due_at < now())) AS past_due,
            min(delivery.due_at) FILTER (WHERE (delivery.state <> 'leased'::text)) AS due_at
           FROM postrider.delivery
          GROUP BY delivery.app_id, delivery.endpoint_id) owed
     LEFT JOIN postrider.endpoint ON (((endpoint.app_id = owed.app_id) AND (endpoint.id = owed.endpoint_id))));


--
-- Name: VIEW queue; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON VIEW postrider.queue IS 'What is owed to each endpoint. Reads all of delivery, which is as large as the backlog; WHERE app_id = ... reads what is owed to one application.';


--
-- Name: COLUMN queue.app_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.queue.app_id IS 'The application of the endpoint.';


--
-- Name: COLUMN queue.endpoint_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.queue.endpoint_id IS 'The endpoint.';


--
-- Name: COLUMN queue.deliveries; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.queue.deliveries IS 'The number of messages that are owed to it: fresh, waiting and leased.';


--
-- Name: COLUMN queue.fresh; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.queue.fresh IS 'Those that no worker has looked at yet. More than a few: the workers are behind, or none runs.';


--
-- Name: COLUMN queue.waiting; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.queue.waiting IS 'Those that are due at a time of their own, past or future.';


--
-- Name: COLUMN queue.leased; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.queue.leased IS 'Those that a worker has.';


--
-- Name: COLUMN queue.first_attempts; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.queue.first_attempts IS 'Those in queue 0: first attempts, and what was asked for by hand.';


--
-- Name: COLUMN queue.retries; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.queue.retries IS 'Those in queue 1: retries.';


--
-- Name: COLUMN queue.in_order; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.queue.in_order IS 'Those in queue 2: in order, to a FIFO endpoint.';


--
-- Name: COLUMN queue.behind; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.queue.behind IS 'Those in queue 3: operational webhooks that wait for an earlier one of their subject.';


--
-- Name: COLUMN queue.past_due; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.queue.past_due IS 'Those whose time has passed. Leased ones among them are of a worker that died.';


--
-- Name: COLUMN queue.due_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.queue.due_at IS 'The earliest time at which one that is not leased may be claimed; NULL: all are leased.';


--
-- Name: COLUMN queue.overdue; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.queue.overdue IS 'How long that time has passed; NULL: it has not.';


--
-- Name: COLUMN queue.disabled; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.queue.disabled IS 'The endpoint gets no webhooks: workers drop what is owed to it.';


--
-- Name: COLUMN queue.paused_until; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.queue.paused_until IS 'The endpoint keeps failing: no attempt begins before; NULL: not paused.';


--
-- Name: running_task; Type: VIEW; Schema: postrider; Owner: -
--

CREATE VIEW postrider.running_task AS
 SELECT background_task.org_id,
    background_task.id,
    background_task.task,
    background_task.app_id,
    background_task.endpoint_id,
    background_task.processed,
    background_task.cursor,
    background_task.failures,
    background_task.error,
    background_task.created_at,
    background_task.updated_at,
    background_task.next_at,
    (now() - background_task.created_at) AS age,
        CASE
            WHEN (background_task.next_at < now()) THEN (now() - GREATEST(background_task.next_at, background_task.updated_at))
            ELSE NULL::interval
        END AS overdue
   FROM postrider.background_task
  WHERE (background_task.status = 'running'::text);


--
-- Name: VIEW running_task; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON VIEW postrider.running_task IS 'Background tasks that have not ended. Reads an index that holds nothing else.';


--
-- Name: COLUMN running_task.org_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.running_task.org_id IS 'The organisation that asked for it.';


--
-- Name: COLUMN running_task.id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.running_task.id IS 'The id of the task.';


--
-- Name: COLUMN running_task.task; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.running_task.task IS 'What is done: the names of the API.';


--
-- Name: COLUMN running_task.app_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.running_task.app_id IS 'The application it is about; NULL: the whole organisation.';


--
-- Name: COLUMN running_task.endpoint_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.running_task.endpoint_id IS 'The endpoint it is about; NULL: none in particular.';


--
-- Name: COLUMN running_task.processed; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.running_task.processed IS 'How many messages were looked at.';


--
-- Name: COLUMN running_task.cursor; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.running_task.cursor IS 'The last id that is done. If it is that of a message, id_time(cursor) says how far the task has come.';


--
-- Name: COLUMN running_task.failures; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.running_task.failures IS 'How many times the next step has failed.';


--
-- Name: COLUMN running_task.error; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.running_task.error IS 'Why, as the API shows it; NULL: it has not.';


--
-- Name: COLUMN running_task.created_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.running_task.created_at IS 'When it was asked for.';


--
-- Name: COLUMN running_task.updated_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.running_task.updated_at IS 'When its last step ended.';


--
-- Name: COLUMN running_task.next_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.running_task.next_at IS 'When its next step may be made. In the future: it waits for deliveries, or after a failure.';


--
-- Name: COLUMN running_task.age; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.running_task.age IS 'How long ago it was asked for.';


--
-- Name: COLUMN running_task.overdue; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.running_task.overdue IS 'How long its next step has been waiting for its turn; NULL: it may not be made yet. Minutes: no process runs the jobs.';


--
-- Name: state_reader; Type: TABLE; Schema: postrider; Owner: -
--

CREATE TABLE postrider.state_reader (
    one boolean DEFAULT true NOT NULL,
    reader text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT state_reader_one_check CHECK (one),
    CONSTRAINT state_reader_reader_check CHECK ((octet_length(reader) <= 512))
);


--
-- Name: TABLE state_reader; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON TABLE postrider.state_reader IS 'The process that reads the state of this Postrider and exports it as metrics. One row; none until a process that runs the jobs has started.';


--
-- Name: COLUMN state_reader.one; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.state_reader.one IS 'True, so that there is one row.';


--
-- Name: COLUMN state_reader.reader; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.state_reader.reader IS 'The process: host, process id, and a random part.';


--
-- Name: COLUMN state_reader.expires_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.state_reader.expires_at IS 'Until when no other process takes over. The reader moves it ahead with each reading.';


--
-- Name: CONSTRAINT state_reader_one_check ON state_reader; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT state_reader_one_check ON postrider.state_reader IS 'There is at most one row.';


--
-- Name: CONSTRAINT state_reader_reader_check ON state_reader; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT state_reader_reader_check ON postrider.state_reader IS 'A bound in bytes.';


--
-- Name: token_revocation; Type: TABLE; Schema: postrider; Owner: -
--

CREATE TABLE postrider.token_revocation (
    org_id text NOT NULL COLLATE pg_catalog."C",
    app_id text NOT NULL COLLATE pg_catalog."C",
    id bigint NOT NULL,
    token_hash bytea,
    session_id text COLLATE pg_catalog."C",
    issued_before timestamp with time zone NOT NULL,
    effective_at timestamp with time zone NOT NULL,
    forget_at timestamp with time zone,
    CONSTRAINT token_revocation_token_hash_session_id_check CHECK (((token_hash IS NULL) OR (session_id IS NULL)))
);


--
-- Name: TABLE token_revocation; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON TABLE postrider.token_revocation IS 'Tokens of applications and organisations that are no longer good. No foreign key: a token may name an application that is gone.';


--
-- Name: COLUMN token_revocation.org_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.token_revocation.org_id IS 'The organisation whose tokens they are, or to which the application belongs.';


--
-- Name: COLUMN token_revocation.app_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.token_revocation.app_id IS 'Whose tokens: the application''s id, or the organisation''s for those of the organisation itself.';


--
-- Name: COLUMN token_revocation.id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.token_revocation.id IS 'Only to tell rows apart: the API never shows one.';


--
-- Name: COLUMN token_revocation.token_hash; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.token_revocation.token_hash IS 'SHA-256 of what was signed of the one token it is about; NULL: not just one.';


--
-- Name: COLUMN token_revocation.session_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.token_revocation.session_id IS 'Only tokens made for this session; NULL: whatever their session.';


--
-- Name: COLUMN token_revocation.issued_before; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.token_revocation.issued_before IS 'Only tokens issued before this instant; those that do not say when are.';


--
-- Name: COLUMN token_revocation.effective_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.token_revocation.effective_at IS 'The tokens are good until then. In the past where they were to end at once, for machines whose clock is behind.';


--
-- Name: COLUMN token_revocation.forget_at; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON COLUMN postrider.token_revocation.forget_at IS 'From then on the row changes nothing and may be deleted; NULL: never.';


--
-- Name: CONSTRAINT token_revocation_token_hash_session_id_check ON token_revocation; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT token_revocation_token_hash_session_id_check ON postrider.token_revocation IS 'A row is about one token, one session, or all tokens.';


--
-- Name: token_revocation_id_seq; Type: SEQUENCE; Schema: postrider; Owner: -
--

ALTER TABLE postrider.token_revocation ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME postrider.token_revocation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: SEQUENCE token_revocation_id_seq; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON SEQUENCE postrider.token_revocation_id_seq IS 'Numbers the revocations.';


--
-- Name: attempt_default; Type: TABLE ATTACH; Schema: postrider; Owner: -
--

ALTER TABLE ONLY postrider.attempt ATTACH PARTITION postrider.attempt_default DEFAULT;


--
-- Name: message_default; Type: TABLE ATTACH; Schema: postrider; Owner: -
--

ALTER TABLE ONLY postrider.message ATTACH PARTITION postrider.message_default DEFAULT;


--
-- Name: application application_id_key; Type: CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE ONLY postrider.application
    ADD CONSTRAINT application_id_key UNIQUE (id);


--
-- Name: CONSTRAINT application_id_key ON application; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT application_id_key ON postrider.application IS 'Messages and endpoints name their application by its id alone.';


--
-- Name: application application_pkey; Type: CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE ONLY postrider.application
    ADD CONSTRAINT application_pkey PRIMARY KEY (org_id, id);


--
-- Name: CONSTRAINT application_pkey ON application; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT application_pkey ON postrider.application IS 'One row for each application.';


--
-- Name: attempt_count attempt_count_pkey; Type: CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE ONLY postrider.attempt_count
    ADD CONSTRAINT attempt_count_pkey PRIMARY KEY (app_id, endpoint_id, partition_oid, until_id);


--
-- Name: CONSTRAINT attempt_count_pkey ON attempt_count; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT attempt_count_pkey ON postrider.attempt_count IS 'One count up to each id.';


--
-- Name: attempt attempt_pkey; Type: CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE ONLY postrider.attempt
    ADD CONSTRAINT attempt_pkey PRIMARY KEY (app_id, message_id, id);


--
-- Name: CONSTRAINT attempt_pkey ON attempt; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT attempt_pkey ON postrider.attempt IS 'One row for each attempt.';


--
-- Name: attempt_default attempt_default_pkey; Type: CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE ONLY postrider.attempt_default
    ADD CONSTRAINT attempt_default_pkey PRIMARY KEY (app_id, message_id, id);


--
-- Name: background_task background_task_pkey; Type: CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE ONLY postrider.background_task
    ADD CONSTRAINT background_task_pkey PRIMARY KEY (org_id, id);


--
-- Name: CONSTRAINT background_task_pkey ON background_task; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT background_task_pkey ON postrider.background_task IS 'One row for each task.';


--
-- Name: delivery delivery_pkey; Type: CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE ONLY postrider.delivery
    ADD CONSTRAINT delivery_pkey PRIMARY KEY (app_id, message_id, endpoint_id);


--
-- Name: CONSTRAINT delivery_pkey ON delivery; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT delivery_pkey ON postrider.delivery IS 'A message is owed to an endpoint once.';


--
-- Name: delivery_position delivery_position_pkey; Type: CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE ONLY postrider.delivery_position
    ADD CONSTRAINT delivery_position_pkey PRIMARY KEY (id);


--
-- Name: CONSTRAINT delivery_position_pkey ON delivery_position; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT delivery_position_pkey ON postrider.delivery_position IS 'One row for each take, of which all but the latest are deleted.';


--
-- Name: endpoint endpoint_pkey; Type: CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE ONLY postrider.endpoint
    ADD CONSTRAINT endpoint_pkey PRIMARY KEY (app_id, id);


--
-- Name: CONSTRAINT endpoint_pkey ON endpoint; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT endpoint_pkey ON postrider.endpoint IS 'One row for each endpoint.';


--
-- Name: event_type event_type_pkey; Type: CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE ONLY postrider.event_type
    ADD CONSTRAINT event_type_pkey PRIMARY KEY (org_id, name);


--
-- Name: CONSTRAINT event_type_pkey ON event_type; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT event_type_pkey ON postrider.event_type IS 'Names are unique in an organisation.';


--
-- Name: idempotency_key idempotency_key_pkey; Type: CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE ONLY postrider.idempotency_key
    ADD CONSTRAINT idempotency_key_pkey PRIMARY KEY (org_id, key_hash);


--
-- Name: CONSTRAINT idempotency_key_pkey ON idempotency_key; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT idempotency_key_pkey ON postrider.idempotency_key IS 'A key takes effect once. A concurrent request with the same key waits for the first.';


--
-- Name: message message_channels_tags_traceparent_check; Type: CHECK CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE postrider.message
    ADD CONSTRAINT message_channels_tags_traceparent_check CHECK (((pg_column_size(channels) <= 4096) AND (pg_column_size(tags) <= 4096) AND (octet_length(traceparent) <= 256))) NOT VALID;


--
-- Name: CONSTRAINT message_channels_tags_traceparent_check ON message; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT message_channels_tags_traceparent_check ON postrider.message IS 'Bounds in bytes. Messages older than the constraint were not checked.';


--
-- Name: message message_pkey; Type: CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE ONLY postrider.message
    ADD CONSTRAINT message_pkey PRIMARY KEY (app_id, id);


--
-- Name: CONSTRAINT message_pkey ON message; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT message_pkey ON postrider.message IS 'One row for each message.';


--
-- Name: message_default message_default_pkey; Type: CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE ONLY postrider.message_default
    ADD CONSTRAINT message_default_pkey PRIMARY KEY (app_id, id);


--
-- Name: message message_event_id_event_type_content_type_check; Type: CHECK CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE postrider.message
    ADD CONSTRAINT message_event_id_event_type_content_type_check CHECK (((octet_length(event_id) <= 256) AND (octet_length(event_type) <= 256) AND (octet_length(content_type) <= 256))) NOT VALID;


--
-- Name: CONSTRAINT message_event_id_event_type_content_type_check ON message; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT message_event_id_event_type_content_type_check ON postrider.message IS 'Bounds in bytes. Messages older than the constraint were not checked.';


--
-- Name: message_event_id message_event_id_pkey; Type: CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE ONLY postrider.message_event_id
    ADD CONSTRAINT message_event_id_pkey PRIMARY KEY (app_id, event_id);


--
-- Name: CONSTRAINT message_event_id_pkey ON message_event_id; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT message_event_id_pkey ON postrider.message_event_id IS 'Event ids are unique in an application.';


--
-- Name: message_key message_key_pkey; Type: CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE ONLY postrider.message_key
    ADD CONSTRAINT message_key_pkey PRIMARY KEY (app_id, key_hash);


--
-- Name: CONSTRAINT message_key_pkey ON message_key; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT message_key_pkey ON postrider.message_key IS 'A key stores one message.';


--
-- Name: message message_payload_check; Type: CHECK CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE postrider.message
    ADD CONSTRAINT message_payload_check CHECK ((octet_length(payload) <= 2097152)) NOT VALID;


--
-- Name: CONSTRAINT message_payload_check ON message; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT message_payload_check ON postrider.message IS 'At most 2 MiB. Messages older than the constraint were not checked.';


--
-- Name: operational_event operational_event_pkey; Type: CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE ONLY postrider.operational_event
    ADD CONSTRAINT operational_event_pkey PRIMARY KEY (id);


--
-- Name: CONSTRAINT operational_event_pkey ON operational_event; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT operational_event_pkey ON postrider.operational_event IS 'One row for each event.';


--
-- Name: outbox outbox_application_dots_check; Type: CHECK CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE postrider.outbox
    ADD CONSTRAINT outbox_application_dots_check CHECK ((application <> ALL (ARRAY['.'::text, '..'::text]))) NOT VALID;


--
-- Name: CONSTRAINT outbox_application_dots_check ON outbox; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT outbox_application_dots_check ON postrider.outbox IS 'Names that mean something else in a path of the API. Older rows were not checked.';


--
-- Name: outbox outbox_channels_check; Type: CHECK CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE postrider.outbox
    ADD CONSTRAINT outbox_channels_check CHECK ((((cardinality(channels) >= 1) AND (cardinality(channels) <= 10)) AND (channels <@ string_to_array(array_to_string(channels, ','::text), ','::text)) AND (array_to_string(channels, ','::text) ~ '^[a-zA-Z0-9_.:+-]+(,[a-zA-Z0-9_.:+-]+)*$'::text) AND (array_to_string(channels, ','::text) !~ '[^,]{129}[^,]{128}'::text))) NOT VALID;


--
-- Name: CONSTRAINT outbox_channels_check ON outbox; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT outbox_channels_check ON postrider.outbox IS 'The channels that the API accepts. Older rows were not checked.';


--
-- Name: outbox_dead_letter outbox_dead_letter_pkey; Type: CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE ONLY postrider.outbox_dead_letter
    ADD CONSTRAINT outbox_dead_letter_pkey PRIMARY KEY (letter_id);


--
-- Name: CONSTRAINT outbox_dead_letter_pkey ON outbox_dead_letter; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT outbox_dead_letter_pkey ON postrider.outbox_dead_letter IS 'One row for each letter.';


--
-- Name: outbox outbox_event_id_dots_check; Type: CHECK CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE postrider.outbox
    ADD CONSTRAINT outbox_event_id_dots_check CHECK ((event_id <> ALL (ARRAY['.'::text, '..'::text]))) NOT VALID;


--
-- Name: CONSTRAINT outbox_event_id_dots_check ON outbox; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT outbox_event_id_dots_check ON postrider.outbox IS 'Names that mean something else in a path of the API. Older rows were not checked.';


--
-- Name: outbox outbox_event_type_dots_check; Type: CHECK CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE postrider.outbox
    ADD CONSTRAINT outbox_event_type_dots_check CHECK ((event_type <> ALL (ARRAY['.'::text, '..'::text]))) NOT VALID;


--
-- Name: CONSTRAINT outbox_event_type_dots_check ON outbox; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT outbox_event_type_dots_check ON postrider.outbox IS 'Names that mean something else in a path of the API. Older rows were not checked.';


--
-- Name: outbox outbox_pkey; Type: CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE ONLY postrider.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);


--
-- Name: CONSTRAINT outbox_pkey ON outbox; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT outbox_pkey ON postrider.outbox IS 'One row for each message.';


--
-- Name: outbox outbox_tags_check; Type: CHECK CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE postrider.outbox
    ADD CONSTRAINT outbox_tags_check CHECK (((cardinality(tags) = 0) OR ((cardinality(tags) <= 5) AND (tags <@ string_to_array(array_to_string(tags, ','::text), ','::text)) AND (array_to_string(tags, ','::text) ~ '^[a-zA-Z0-9_./\\#-]+(,[a-zA-Z0-9_./\\#-]+)*$'::text) AND (array_to_string(tags, ','::text) !~ '[^,]{129}[^,]{128}'::text)))) NOT VALID;


--
-- Name: CONSTRAINT outbox_tags_check ON outbox; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT outbox_tags_check ON postrider.outbox IS 'The tags that the API accepts. Older rows were not checked.';


--
-- Name: state_reader state_reader_pkey; Type: CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE ONLY postrider.state_reader
    ADD CONSTRAINT state_reader_pkey PRIMARY KEY (one);


--
-- Name: CONSTRAINT state_reader_pkey ON state_reader; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT state_reader_pkey ON postrider.state_reader IS 'With the check, at most one row.';


--
-- Name: token_revocation token_revocation_pkey; Type: CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE ONLY postrider.token_revocation
    ADD CONSTRAINT token_revocation_pkey PRIMARY KEY (app_id, id);


--
-- Name: CONSTRAINT token_revocation_pkey ON token_revocation; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT token_revocation_pkey ON postrider.token_revocation IS 'One row for each revocation.';


--
-- Name: INDEX application_id_key; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.application_id_key IS 'Ids are unique everywhere, not only in an organisation: messages name the application alone.';


--
-- Name: application_org_id_uid_key; Type: INDEX; Schema: postrider; Owner: -
--

CREATE UNIQUE INDEX application_org_id_uid_key ON postrider.application USING btree (org_id, uid) WHERE (uid IS NOT NULL);


--
-- Name: INDEX application_org_id_uid_key; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.application_org_id_uid_key IS 'Lookup by uid; a uid is free again once its application is deleted.';


--
-- Name: INDEX application_pkey; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.application_pkey IS 'Look-up by id, and lists in the order of creation.';


--
-- Name: attempt_app_id_endpoint_id_message_id_id_failed_idx; Type: INDEX; Schema: postrider; Owner: -
--

CREATE INDEX attempt_app_id_endpoint_id_message_id_id_failed_idx ON ONLY postrider.attempt USING btree (app_id, endpoint_id, message_id, id) WHERE (status = 2);


--
-- Name: INDEX attempt_app_id_endpoint_id_message_id_id_failed_idx; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.attempt_app_id_endpoint_id_message_id_id_failed_idx IS 'The messages of which an attempt at an endpoint failed.';


--
-- Name: attempt_app_id_endpoint_id_status_id_idx; Type: INDEX; Schema: postrider; Owner: -
--

CREATE INDEX attempt_app_id_endpoint_id_status_id_idx ON ONLY postrider.attempt USING btree (app_id, endpoint_id, status, id);


--
-- Name: INDEX attempt_app_id_endpoint_id_status_id_idx; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.attempt_app_id_endpoint_id_status_id_idx IS 'The attempts at an endpoint that have a status, newest first.';


--
-- Name: INDEX attempt_count_pkey; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.attempt_count_pkey IS 'The last count of a day before an id, for the statistics of an endpoint.';


--
-- Name: attempt_default_app_id_endpoint_id_message_id_id_idx; Type: INDEX; Schema: postrider; Owner: -
--

CREATE INDEX attempt_default_app_id_endpoint_id_message_id_id_idx ON postrider.attempt_default USING btree (app_id, endpoint_id, message_id, id) WHERE (status = 2);


--
-- Name: attempt_default_app_id_endpoint_id_status_id_idx; Type: INDEX; Schema: postrider; Owner: -
--

CREATE INDEX attempt_default_app_id_endpoint_id_status_id_idx ON postrider.attempt_default USING btree (app_id, endpoint_id, status, id);


--
-- Name: attempt_endpoint_id_message_id_idx; Type: INDEX; Schema: postrider; Owner: -
--

CREATE INDEX attempt_endpoint_id_message_id_idx ON ONLY postrider.attempt USING btree (endpoint_id, message_id);


--
-- Name: INDEX attempt_endpoint_id_message_id_idx; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.attempt_endpoint_id_message_id_idx IS 'The messages that were attempted at an endpoint.';


--
-- Name: attempt_default_endpoint_id_message_id_idx; Type: INDEX; Schema: postrider; Owner: -
--

CREATE INDEX attempt_default_endpoint_id_message_id_idx ON postrider.attempt_default USING btree (endpoint_id, message_id);


--
-- Name: INDEX attempt_pkey; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.attempt_pkey IS 'The attempts of a message, and look-up of one of them.';


--
-- Name: background_task_app_id_endpoint_id_task_running_key; Type: INDEX; Schema: postrider; Owner: -
--

CREATE UNIQUE INDEX background_task_app_id_endpoint_id_task_running_key ON postrider.background_task USING btree (COALESCE(app_id, org_id), COALESCE(endpoint_id, ''::text), task) WHERE ((status = 'running'::text) AND (NOT duplicate));


--
-- Name: INDEX background_task_app_id_endpoint_id_task_running_key; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.background_task_app_id_endpoint_id_task_running_key IS 'One task of a kind runs for an endpoint, an application or an organisation.';


--
-- Name: background_task_app_id_id_running_idx; Type: INDEX; Schema: postrider; Owner: -
--

CREATE INDEX background_task_app_id_id_running_idx ON postrider.background_task USING btree (COALESCE(app_id, org_id), id) WHERE (status = 'running'::text);


--
-- Name: INDEX background_task_app_id_id_running_idx; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.background_task_app_id_id_running_idx IS 'Which applications have running tasks, and those of each, for their turns.';


--
-- Name: background_task_id_ended_idx; Type: INDEX; Schema: postrider; Owner: -
--

CREATE INDEX background_task_id_ended_idx ON postrider.background_task USING btree (id) WHERE (status <> 'running'::text);


--
-- Name: INDEX background_task_id_ended_idx; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.background_task_id_ended_idx IS 'Ended tasks, oldest first, to be deleted.';


--
-- Name: INDEX background_task_pkey; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.background_task_pkey IS 'Look-up by id, and the lists of the API.';


--
-- Name: delivery_due_at_idx; Type: INDEX; Schema: postrider; Owner: -
--

CREATE INDEX delivery_due_at_idx ON postrider.delivery USING btree (due_at) WHERE (state = 'leased'::text);


--
-- Name: INDEX delivery_due_at_idx; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.delivery_due_at_idx IS 'Leases that have run out.';


--
-- Name: delivery_endpoint_id_seq_idx; Type: INDEX; Schema: postrider; Owner: -
--

CREATE INDEX delivery_endpoint_id_seq_idx ON postrider.delivery USING btree (endpoint_id, seq) WHERE (queue = 2);


--
-- Name: INDEX delivery_endpoint_id_seq_idx; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.delivery_endpoint_id_seq_idx IS 'The next delivery to a FIFO endpoint.';


--
-- Name: delivery_endpoint_id_subject_place_idx; Type: INDEX; Schema: postrider; Owner: -
--

CREATE INDEX delivery_endpoint_id_subject_place_idx ON postrider.delivery USING btree (endpoint_id, subject, place) WHERE (subject IS NOT NULL);


--
-- Name: INDEX delivery_endpoint_id_subject_place_idx; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.delivery_endpoint_id_subject_place_idx IS 'The first delivery of a lane, and the next lane.';


--
-- Name: INDEX delivery_pkey; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.delivery_pkey IS 'Look-up of one delivery when its attempt is recorded, and of what is owed of a message or to an application. The only index that has all rows.';


--
-- Name: INDEX delivery_position_pkey; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.delivery_position_pkey IS 'The latest take, without passing the dead rows of earlier ones.';


--
-- Name: delivery_queue_endpoint_id_due_at_idx; Type: INDEX; Schema: postrider; Owner: -
--

CREATE INDEX delivery_queue_endpoint_id_due_at_idx ON postrider.delivery USING btree (queue, endpoint_id, due_at) WHERE (state = 'waiting'::text);


--
-- Name: INDEX delivery_queue_endpoint_id_due_at_idx; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.delivery_queue_endpoint_id_due_at_idx IS 'Claims go from queue to queue, and take from each what is due.';


--
-- Name: delivery_txid_idx; Type: INDEX; Schema: postrider; Owner: -
--

CREATE INDEX delivery_txid_idx ON postrider.delivery USING btree (txid) WHERE (state = 'fresh'::text);


--
-- Name: INDEX delivery_txid_idx; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.delivery_txid_idx IS 'Fresh deliveries, in the order of their transactions.';


--
-- Name: endpoint_app_id_uid_key; Type: INDEX; Schema: postrider; Owner: -
--

CREATE UNIQUE INDEX endpoint_app_id_uid_key ON postrider.endpoint USING btree (app_id, uid) WHERE (uid IS NOT NULL);


--
-- Name: INDEX endpoint_app_id_uid_key; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.endpoint_app_id_uid_key IS 'Lookup by uid; a uid is free again once its endpoint is deleted.';


--
-- Name: INDEX endpoint_pkey; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.endpoint_pkey IS 'All endpoints of an application for the fan-out, look-up by id, and lists in the order of creation.';


--
-- Name: INDEX event_type_pkey; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.event_type_pkey IS 'Look-up by name, and lists in the order of names.';


--
-- Name: INDEX idempotency_key_pkey; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.idempotency_key_pkey IS 'Look-up of the answer to an earlier request with the same key.';


--
-- Name: INDEX message_pkey; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.message_pkey IS 'Look-up by id, and the lists of an application, newest first.';


--
-- Name: INDEX message_event_id_pkey; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.message_event_id_pkey IS 'Look-up of a message by its event id.';


--
-- Name: INDEX message_key_pkey; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.message_key_pkey IS 'Look-up of the message that an earlier request with the same key has stored.';


--
-- Name: INDEX operational_event_pkey; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.operational_event_pkey IS 'The next events, in order.';


--
-- Name: INDEX outbox_dead_letter_pkey; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.outbox_dead_letter_pkey IS 'Letters in the order in which they were put aside.';


--
-- Name: INDEX outbox_pkey; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.outbox_pkey IS 'The next messages, in order.';


--
-- Name: outbox_txid_idx; Type: INDEX; Schema: postrider; Owner: -
--

CREATE INDEX outbox_txid_idx ON postrider.outbox USING btree (txid) INCLUDE (id);


--
-- Name: INDEX outbox_txid_idx; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.outbox_txid_idx IS 'What was inserted since a consumer last looked.';


--
-- Name: INDEX state_reader_pkey; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.state_reader_pkey IS 'The one row.';


--
-- Name: token_revocation_app_id_issued_before_idx; Type: INDEX; Schema: postrider; Owner: -
--

CREATE INDEX token_revocation_app_id_issued_before_idx ON postrider.token_revocation USING btree (app_id, issued_before) WHERE ((token_hash IS NULL) AND (session_id IS NULL));


--
-- Name: INDEX token_revocation_app_id_issued_before_idx; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.token_revocation_app_id_issued_before_idx IS 'Look-up with each request that bears a token. An index for each kind of row: in one for all, the few about all tokens look like half of it to the planner, which then reads the table.';


--
-- Name: token_revocation_app_id_session_id_issued_before_idx; Type: INDEX; Schema: postrider; Owner: -
--

CREATE INDEX token_revocation_app_id_session_id_issued_before_idx ON postrider.token_revocation USING btree (app_id, session_id, issued_before) WHERE (session_id IS NOT NULL);


--
-- Name: INDEX token_revocation_app_id_session_id_issued_before_idx; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.token_revocation_app_id_session_id_issued_before_idx IS 'Look-up with each request that bears a token.';


--
-- Name: token_revocation_app_id_token_hash_idx; Type: INDEX; Schema: postrider; Owner: -
--

CREATE INDEX token_revocation_app_id_token_hash_idx ON postrider.token_revocation USING btree (app_id, token_hash) WHERE (token_hash IS NOT NULL);


--
-- Name: INDEX token_revocation_app_id_token_hash_idx; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.token_revocation_app_id_token_hash_idx IS 'Look-up with each request that bears a token.';


--
-- Name: token_revocation_forget_at_idx; Type: INDEX; Schema: postrider; Owner: -
--

CREATE INDEX token_revocation_forget_at_idx ON postrider.token_revocation USING btree (forget_at) WHERE (forget_at IS NOT NULL);


--
-- Name: INDEX token_revocation_forget_at_idx; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.token_revocation_forget_at_idx IS 'What can be deleted by now.';


--
-- Name: INDEX token_revocation_pkey; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON INDEX postrider.token_revocation_pkey IS 'Tells rows apart, for logical replication.';


--
-- Name: attempt_default_app_id_endpoint_id_message_id_id_idx; Type: INDEX ATTACH; Schema: postrider; Owner: -
--

ALTER INDEX postrider.attempt_app_id_endpoint_id_message_id_id_failed_idx ATTACH PARTITION postrider.attempt_default_app_id_endpoint_id_message_id_id_idx;


--
-- Name: attempt_default_app_id_endpoint_id_status_id_idx; Type: INDEX ATTACH; Schema: postrider; Owner: -
--

ALTER INDEX postrider.attempt_app_id_endpoint_id_status_id_idx ATTACH PARTITION postrider.attempt_default_app_id_endpoint_id_status_id_idx;


--
-- Name: attempt_default_endpoint_id_message_id_idx; Type: INDEX ATTACH; Schema: postrider; Owner: -
--

ALTER INDEX postrider.attempt_endpoint_id_message_id_idx ATTACH PARTITION postrider.attempt_default_endpoint_id_message_id_idx;


--
-- Name: attempt_default_pkey; Type: INDEX ATTACH; Schema: postrider; Owner: -
--

ALTER INDEX postrider.attempt_pkey ATTACH PARTITION postrider.attempt_default_pkey;


--
-- Name: message_default_pkey; Type: INDEX ATTACH; Schema: postrider; Owner: -
--

ALTER INDEX postrider.message_pkey ATTACH PARTITION postrider.message_default_pkey;


--
-- Name: endpoint endpoint_app_id_fkey; Type: FK CONSTRAINT; Schema: postrider; Owner: -
--

ALTER TABLE ONLY postrider.endpoint
    ADD CONSTRAINT endpoint_app_id_fkey FOREIGN KEY (app_id) REFERENCES postrider.application(id);


--
-- Name: CONSTRAINT endpoint_app_id_fkey ON endpoint; Type: COMMENT; Schema: postrider; Owner: -
--

COMMENT ON CONSTRAINT endpoint_app_id_fkey ON postrider.endpoint IS 'An endpoint belongs to an application. Rows of applications are kept after a deletion.';


--
-- PostgreSQL database dump complete
--


