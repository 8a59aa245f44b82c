--
-- PostgreSQL database dump
--




--
-- Name: delivery_number(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.delivery_number() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    IF NEW.seq IS NULL THEN
        PERFORM pg_advisory_xact_lock(hashtextextended(format('%s delivery %s', current_schema(), NEW.app_id), 0));
        NEW.seq := nextval('delivery_seq');
    END IF;
    RETURN NEW;
END
$$;


--
-- Name: FUNCTION delivery_number(); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.delivery_number() IS 'Gives a delivery to a FIFO endpoint its place in the order, which is that of the commits, unless it has one, as in a dump.';




--
-- Name: outbox; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.outbox (
    id bigint NOT NULL,
    org_id text DEFAULT 'org_23rb8YdGqMT0qIzpgGwdXfHirMu'::text NOT NULL COLLATE pg_catalog."C",
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
-- Name: TABLE outbox; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.outbox IS 'Messages that applications of this database send with a plain INSERT. Consumers take them out at once.';


--
-- Name: COLUMN outbox.id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.outbox.id IS 'The order in which they are stored, as far as they are committed.';


--
-- Name: COLUMN outbox.org_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.outbox.org_id IS 'The organisation that sends it; by default the one that tokens are for unless they name another.';


--
-- Name: COLUMN outbox.application; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.outbox.application IS 'The id or uid of the application it is sent to.';


--
-- Name: COLUMN outbox.payload; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.outbox.payload IS 'A JSON object of at most 2 MiB, which is signed and sent to the byte, but for white space around it.';


--
-- Name: COLUMN outbox.event_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.outbox.event_id IS 'The sender''s own name for it; unique in the application.';


--
-- Name: COLUMN outbox.channels; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.outbox.channels IS '1 to 10 names of 1 to 256 characters: letters, digits and -_.:+';


--
-- Name: COLUMN outbox.tags; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.outbox.tags IS 'Up to 5 names of 1 to 256 characters: letters, digits and -_./\#';


--
-- Name: COLUMN outbox.traceparent; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.outbox.traceparent IS 'The trace it is part of, as in the W3C''s header of that name. Anything else is ignored.';


--
-- Name: COLUMN outbox.created_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.outbox.created_at IS 'When its transaction began. Old ones mean that no process consumes.';


--
-- Name: COLUMN outbox.txid; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.outbox.txid IS 'The transaction that inserted it. Leave it to its default.';


--
-- Name: message_send(text, text, json, text, text[], text[], text, text); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.message_send(application text, event_type text, payload json, event_id text DEFAULT NULL::text, channels text[] DEFAULT NULL::text[], tags text[] DEFAULT NULL::text[], traceparent text DEFAULT NULL::text, org_id text DEFAULT 'org_23rb8YdGqMT0qIzpgGwdXfHirMu'::text) RETURNS void
    LANGUAGE sql
    BEGIN ATOMIC
 INSERT INTO public.outbox (org_id, application, event_type, payload, event_id, channels, tags, traceparent)
   VALUES (message_send.org_id, message_send.application, message_send.event_type, (message_send.payload)::text, message_send.event_id, message_send.channels, message_send.tags, message_send.traceparent);
END;


--
-- Name: FUNCTION message_send(application text, event_type text, payload json, event_id text, channels text[], tags text[], traceparent text, org_id text); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.message_send(application text, event_type text, payload json, event_id text, channels text[], tags text[], traceparent text, org_id text) IS 'As the function of that name for text. The payload is sent as it is written.';


--
-- Name: message_send(text, text, jsonb, text, text[], text[], text, text); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.message_send(application text, event_type text, payload jsonb, event_id text DEFAULT NULL::text, channels text[] DEFAULT NULL::text[], tags text[] DEFAULT NULL::text[], traceparent text DEFAULT NULL::text, org_id text DEFAULT 'org_23rb8YdGqMT0qIzpgGwdXfHirMu'::text) RETURNS void
    LANGUAGE sql
    BEGIN ATOMIC
 INSERT INTO public.outbox (org_id, application, event_type, payload, event_id, channels, tags, traceparent)
   VALUES (message_send.org_id, message_send.application, message_send.event_type, (message_send.payload)::text, message_send.event_id, message_send.channels, message_send.tags, message_send.traceparent);
END;


--
-- Name: FUNCTION message_send(application text, event_type text, payload jsonb, event_id text, channels text[], tags text[], traceparent text, org_id text); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.message_send(application text, event_type text, payload jsonb, event_id text, channels text[], tags text[], traceparent text, org_id text) IS 'As the function of that name for text. The payload is sent as Postgres writes it.';


--
-- Name: message_send(text, text, text, text, text[], text[], text, text); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.message_send(application text, event_type text, payload text, event_id text DEFAULT NULL::text, channels text[] DEFAULT NULL::text[], tags text[] DEFAULT NULL::text[], traceparent text DEFAULT NULL::text, org_id text DEFAULT 'org_23rb8YdGqMT0qIzpgGwdXfHirMu'::text) RETURNS void
    LANGUAGE sql
    BEGIN ATOMIC
 INSERT INTO public.outbox (org_id, application, event_type, payload, event_id, channels, tags, traceparent)
   VALUES (message_send.org_id, message_send.application, message_send.event_type, message_send.payload, message_send.event_id, message_send.channels, message_send.tags, message_send.traceparent);
END;


--
-- Name: FUNCTION message_send(application text, event_type text, payload text, event_id text, channels text[], tags text[], traceparent text, org_id text); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.message_send(application text, event_type text, payload text, event_id text, channels text[], tags text[], traceparent text, org_id text) IS 'Sends a message when the transaction commits: SELECT message_send(''acme'', ''invoice.paid'', ''{"amount": 42}''). It inserts into the outbox, with the rights of its caller.';


--
-- Name: partition_create(text, text, text, text); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.partition_create(parent text, suffix text, lower_id text, upper_id text) RETURNS boolean
    LANGUAGE plpgsql
    SET lock_timeout TO '2s'
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    partition text := parent || '_' || suffix;
    fallback text := parent || '_default';
BEGIN
    -- Processes that start together all want the same partitions: one makes them, the others look again.
    PERFORM pg_advisory_xact_lock(7075190346);
    IF to_regclass(quote_ident(partition)) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', partition, parent);
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', fallback);
    EXECUTE format(
        'WITH caught AS (DELETE FROM %I WHERE id >= %L AND id < %L RETURNING *) INSERT INTO %I SELECT * FROM caught',
        fallback, lower_id, upper_id, partition
    );
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, partition, lower_id, upper_id);
    RETURN true;
END
$$;


--
-- Name: FUNCTION partition_create(parent text, suffix text, lower_id text, upper_id text); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.partition_create(parent text, suffix text, lower_id text, upper_id text) IS 'Makes the partition PARENT_SUFFIX for ids from LOWER_ID up to but not UPPER_ID, with the rows the default partition caught. False: it is there already.';


--
-- Name: application; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.application (
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
-- Name: TABLE application; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.application IS 'A customer of an organisation, with endpoints and messages of its own.';


--
-- Name: COLUMN application.uid; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.application.uid IS 'The organisation''s own name for it. Never begins like an id, so that one lookup serves both.';


--
-- Name: COLUMN application.throttle_rate; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.application.throttle_rate IS 'Messages per second over all its endpoints; NULL is unlimited.';


--
-- Name: COLUMN application.deleted_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.application.deleted_at IS 'Set, the row is kept for the messages that name it, and nobody can reach it.';


--
-- Name: COLUMN application.throttled_until; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.application.throttled_until IS 'With a throttle_rate: when the next attempt at any of its endpoints may begin if every one before took its time.';


--
-- Name: attempt; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.attempt (
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
-- Name: TABLE attempt; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.attempt IS 'One try to deliver one message to one endpoint. Append-only; a partition a week.';


--
-- Name: COLUMN attempt.url; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.attempt.url IS 'Where it went: the endpoint''s address at that time.';


--
-- Name: COLUMN attempt.status; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.attempt.status IS '0 success, 2 failure: the numbers of the API.';


--
-- Name: COLUMN attempt.response_status_code; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.attempt.response_status_code IS '0: there was no response.';


--
-- Name: COLUMN attempt.response; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.attempt.response IS 'The first 20,000 bytes of the response''s body, in base64 where they are not text; without a response, why there was none.';


--
-- Name: COLUMN attempt.trigger; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.attempt.trigger IS '0 scheduled, 1 manual: the numbers of the API.';


--
-- Name: attempt_count; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.attempt_count (
    app_id text NOT NULL COLLATE pg_catalog."C",
    endpoint_id text NOT NULL COLLATE pg_catalog."C",
    partition_oid bigint NOT NULL,
    until_id text NOT NULL COLLATE pg_catalog."C",
    succeeded bigint NOT NULL,
    failed bigint NOT NULL,
    CONSTRAINT attempt_count_succeeded_failed_check CHECK (((succeeded >= 0) AND (failed >= 0)))
);


--
-- Name: TABLE attempt_count; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.attempt_count IS 'How many attempts at an endpoint there were on a day up to an id, kept for statistics. May be truncated at any time; must be after attempts are inserted or deleted by hand.';


--
-- Name: COLUMN attempt_count.partition_oid; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.attempt_count.partition_oid IS 'The partition of attempt that was counted. If it is there no more, neither are its attempts, and the row counts nothing.';


--
-- Name: COLUMN attempt_count.until_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.attempt_count.until_id IS 'Counted are the attempts of the UTC day of this id, from its beginning up to this id; the first id of the next day: the whole day.';


--
-- Name: attempt_default; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.attempt_default (
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
-- Name: TABLE attempt_default; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.attempt_default IS 'Catches attempts of a time that has no partition, so that none is ever refused. The jobs move them to one of their own.';


--
-- Name: background_task; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.background_task (
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
-- Name: TABLE background_task; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.background_task IS 'Work that outlives the request for it, done step by step by the jobs.';


--
-- Name: COLUMN background_task.task; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.background_task.task IS 'What is done: the names of the API.';


--
-- Name: COLUMN background_task.app_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.background_task.app_id IS 'The application it is about; NULL: the whole organisation.';


--
-- Name: COLUMN background_task.endpoint_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.background_task.endpoint_id IS 'The endpoint it is about; NULL: none in particular.';


--
-- Name: COLUMN background_task.parameters; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.background_task.parameters IS 'What was asked for: the period, filters, applications.';


--
-- Name: COLUMN background_task.cursor; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.background_task.cursor IS 'The last id that is done: of a message, of an application, or of one and of a message of the next.';


--
-- Name: COLUMN background_task.processed; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.background_task.processed IS 'How many messages were looked at.';


--
-- Name: COLUMN background_task.data; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.background_task.data IS 'What came of it so far, as the API shows it.';


--
-- Name: COLUMN background_task.failures; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.background_task.failures IS 'How many times the step failed that is next.';


--
-- Name: COLUMN background_task.error; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.background_task.error IS 'Why it failed, as the API shows it.';


--
-- Name: COLUMN background_task.next_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.background_task.next_at IS 'When the next step may be made: at once, unless the task waits for deliveries or after a failure.';


--
-- Name: COLUMN background_task.duplicate; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.background_task.duplicate IS 'Began beside another of its kind, before that was refused; runs to its end.';


--
-- Name: delivery; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.delivery (
    app_id text NOT NULL COLLATE pg_catalog."C",
    message_id text NOT NULL COLLATE pg_catalog."C",
    endpoint_id text NOT NULL COLLATE pg_catalog."C",
    due_at timestamp with time zone NOT NULL,
    lease bigint NOT NULL,
    attempts smallint DEFAULT 0 NOT NULL,
    manual boolean DEFAULT false NOT NULL,
    resume_at timestamp with time zone,
    queue smallint DEFAULT 0 NOT NULL,
    seq bigint,
    subject text COLLATE pg_catalog."C",
    place bigint,
    state text DEFAULT 'waiting'::text NOT NULL,
    txid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT delivery_attempts_check CHECK ((attempts >= 0)),
    CONSTRAINT delivery_due_at_check CHECK (isfinite(due_at)),
    CONSTRAINT delivery_lease_check CHECK (((lease >= 0) AND (lease < '9000000000000000000'::bigint))),
    CONSTRAINT delivery_queue_check CHECK (((queue >= 0) AND (queue <= 3))),
    CONSTRAINT delivery_resume_at_check CHECK (isfinite(resume_at)),
    CONSTRAINT delivery_seq_check CHECK (((queue = 2) = (seq IS NOT NULL))),
    CONSTRAINT delivery_state_check CHECK ((state = ANY (ARRAY['fresh'::text, 'waiting'::text, 'leased'::text]))),
    CONSTRAINT delivery_subject_place_check CHECK (((subject IS NULL) = (place IS NULL)))
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000', autovacuum_vacuum_cost_delay='0', autovacuum_analyze_scale_factor='0', autovacuum_analyze_threshold='50000');


--
-- Name: TABLE delivery; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.delivery IS 'A message still owed to an endpoint. Deleted when it has arrived or is given up.';


--
-- Name: COLUMN delivery.due_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.delivery.due_at IS 'When it may be claimed. Claiming moves it ahead by the lease: a worker that dies is forgotten once it passes.';


--
-- Name: COLUMN delivery.lease; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.delivery.lease IS 'Counts the claims; a result is taken only from the one that still holds the number. 0: never claimed.';


--
-- Name: COLUMN delivery.attempts; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.delivery.attempts IS 'How many attempts have failed.';


--
-- Name: COLUMN delivery.manual; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.delivery.manual IS 'The next attempt was asked for by hand.';


--
-- Name: COLUMN delivery.resume_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.delivery.resume_at IS 'When the schedule goes on: due_at while it waits for its next attempt, or, while it is owed an attempt by hand, the time after that if it fails; NULL: the schedule has not begun or does not go on.';


--
-- Name: COLUMN delivery.queue; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.delivery.queue IS '0: first attempts, and what was asked for by hand; 1: retries; 2: in order, to a FIFO endpoint; 3: waits until those before it in its lane are over.';


--
-- Name: COLUMN delivery.seq; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.delivery.seq IS 'The place in the order of a FIFO endpoint, which is the order of the commits; NULL in the other queues.';


--
-- Name: COLUMN delivery.subject; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.delivery.subject IS 'With endpoint_id, the lane of an operational webhook: those of one lane are delivered one after the other. NULL: it has none.';


--
-- Name: COLUMN delivery.place; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.delivery.place IS 'The place in its lane: the id of the operational event. NULL without a subject.';


--
-- Name: COLUMN delivery.state; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.delivery.state IS 'fresh: stored and not looked at yet; waiting: may be claimed at due_at; leased: a worker has it until due_at.';


--
-- Name: COLUMN delivery.txid; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.delivery.txid IS 'The transaction that inserted the row. Fresh deliveries are taken by it.';


--
-- Name: delivery_position; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.delivery_position (
    id bigint NOT NULL,
    snapshot pg_snapshot NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000', autovacuum_vacuum_cost_delay='0');


--
-- Name: TABLE delivery_position; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.delivery_position IS 'How far fresh deliveries were taken: one row, the latest; none until a worker has started. Each take inserts its own and deletes the one before, so that the latest is found first.';


--
-- Name: COLUMN delivery_position.id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.delivery_position.id IS 'Counts the takes.';


--
-- Name: COLUMN delivery_position.snapshot; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.delivery_position.snapshot IS 'Fresh deliveries of transactions that are visible in it were taken.';


--
-- Name: delivery_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.delivery_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: SEQUENCE delivery_seq; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON SEQUENCE public.delivery_seq IS 'Numbers the deliveries to FIFO endpoints.';


--
-- Name: endpoint; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.endpoint (
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
-- Name: TABLE endpoint; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.endpoint IS 'Where an application wants its webhooks. Read in full for each message of the application: that is the fan-out.';


--
-- Name: COLUMN endpoint.uid; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.endpoint.uid IS 'The client''s own name for it. Never begins like an id, so that one lookup serves both.';


--
-- Name: COLUMN endpoint.url; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.endpoint.url IS 'Where its webhooks go. With *** for the user and password: those are sealed in secret.';


--
-- Name: COLUMN endpoint.event_types; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.endpoint.event_types IS 'The event types it wants; NULL: all.';


--
-- Name: COLUMN endpoint.channels; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.endpoint.channels IS 'It wants only messages with one of these channels; NULL: messages with and without channels alike.';


--
-- Name: COLUMN endpoint.secret; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.endpoint.secret IS 'The key that signs its webhooks. Encrypted, it may hold the headers and the user and password of the URL as well. Never in a log, never in a list.';


--
-- Name: COLUMN endpoint.headers; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.endpoint.headers IS 'Its own HTTP headers by name. Empty if it has none, or if they are sealed in secret. Values may be credentials: never in a log.';


--
-- Name: COLUMN endpoint.failing_since; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.endpoint.failing_since IS 'The first failed attempt since the last that succeeded; NULL: the last one succeeded.';


--
-- Name: COLUMN endpoint.deleted_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.endpoint.deleted_at IS 'Set, the row is kept for the attempts that name it, and nobody can reach it.';


--
-- Name: COLUMN endpoint.old_secrets; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.endpoint.old_secrets IS 'Secrets it had before, the latest first. Never in a log, never in a list.';


--
-- Name: COLUMN endpoint.old_secrets_expire_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.endpoint.old_secrets_expire_at IS 'Until when each of them signs too.';


--
-- Name: COLUMN endpoint.fifo; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.endpoint.fifo IS 'Its messages are delivered in order, one at a time.';


--
-- Name: COLUMN endpoint.failures; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.endpoint.failures IS 'How many attempts in a row have failed.';


--
-- Name: COLUMN endpoint.paused_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.endpoint.paused_at IS 'When the pause was set; an attempt that began later and succeeds ends it.';


--
-- Name: COLUMN endpoint.paused_until; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.endpoint.paused_until IS 'No attempt begins before; then one at a time, until one succeeds. NULL: not paused.';


--
-- Name: COLUMN endpoint.throttled_until; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.endpoint.throttled_until IS 'With a throttle_rate: when the next attempt may begin if every one before took its time.';


--
-- Name: COLUMN endpoint.disabled_reason; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.endpoint.disabled_reason IS 'Why it was disabled by us: gone (it answered 410) or failing (for too long). NULL: it was not.';


--
-- Name: event_type; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.event_type (
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
-- Name: TABLE event_type; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.event_type IS 'A kind of event an organisation sends. Sending does not require one; subscribing does.';


--
-- Name: COLUMN event_type.archived; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.event_type.archived IS 'Hidden from lists, and no endpoint can newly subscribe to it.';


--
-- Name: COLUMN event_type.schemas; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.event_type.schemas IS 'JSON Schemas by version, as the client wrote them: json, because jsonb would reorder them.';


--
-- Name: COLUMN event_type.feature_flags; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.event_type.feature_flags IS 'Only application tokens that carry one of these see it; NULL: all do.';


--
-- Name: COLUMN event_type.group_name; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.event_type.group_name IS 'What it belongs to, in the client''s words; NULL: nothing.';


--
-- Name: idempotency_key; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.idempotency_key (
    org_id text NOT NULL COLLATE pg_catalog."C",
    key_hash bytea NOT NULL,
    status smallint NOT NULL,
    body bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT idempotency_key_key_hash_check CHECK ((octet_length(key_hash) = 32)),
    CONSTRAINT idempotency_key_status_check CHECK (((status = 0) OR ((status >= 200) AND (status <= 299))))
);


--
-- Name: TABLE idempotency_key; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.idempotency_key IS 'The answers to POST requests that came with an idempotency key, each for 12 hours. Those to messages are in message_key.';


--
-- Name: COLUMN idempotency_key.key_hash; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.idempotency_key.key_hash IS 'SHA-256 of what the token may do, the method, path and query, and the key.';


--
-- Name: COLUMN idempotency_key.status; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.idempotency_key.status IS 'HTTP status of the answer; 0 inside the transaction that works on it, which nobody else sees.';


--
-- Name: COLUMN idempotency_key.body; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.idempotency_key.body IS 'The answer''s exact bytes; empty if it had none.';


--
-- Name: message; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.message (
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
-- Name: TABLE message; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.message IS 'An event an organisation sent to an application. Append-only; a partition a week.';


--
-- Name: COLUMN message.event_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.message.event_id IS 'The sender''s own name for it; unique in the application by message_event_id.';


--
-- Name: COLUMN message.payload; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.message.payload IS 'The sender''s exact bytes, which are what is signed and sent; NULL once expunged.';


--
-- Name: COLUMN message.expires_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.message.expires_at IS 'From then on the payload is neither shown nor sent.';


--
-- Name: COLUMN message.content_type; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.message.content_type IS 'The Content-Type of its webhooks; NULL: application/json.';


--
-- Name: COLUMN message.deliver_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.message.deliver_at IS 'Its first attempts wait for this time; NULL: they are made at once.';


--
-- Name: COLUMN message.traceparent; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.message.traceparent IS 'The trace it is part of, as in the W3C''s header of that name; NULL: none.';


--
-- Name: message_default; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.message_default (
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
-- Name: TABLE message_default; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.message_default IS 'Catches messages of a time that has no partition, so that none is ever refused. The jobs move them to one of their own.';


--
-- Name: message_event_id; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.message_event_id (
    app_id text NOT NULL COLLATE pg_catalog."C",
    event_id text NOT NULL COLLATE pg_catalog."C",
    message_id text NOT NULL COLLATE pg_catalog."C"
);


--
-- Name: TABLE message_event_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.message_event_id IS 'Makes event ids unique in an application, over all partitions.';


--
-- Name: message_key; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.message_key (
    app_id text NOT NULL COLLATE pg_catalog."C",
    key_hash bytea NOT NULL,
    message_id text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT message_key_key_hash_check CHECK ((octet_length(key_hash) = 32))
);


--
-- Name: TABLE message_key; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.message_key IS 'The idempotency keys messages were sent with, each for 12 hours.';


--
-- Name: COLUMN message_key.key_hash; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.message_key.key_hash IS 'SHA-256 of the key.';


--
-- Name: operational_event; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.operational_event (
    id bigint NOT NULL,
    org_id text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL,
    payload text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    subject text COLLATE pg_catalog."C"
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000', autovacuum_vacuum_cost_delay='0', autovacuum_analyze_scale_factor='0', autovacuum_analyze_threshold='50000');


--
-- Name: TABLE operational_event; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.operational_event IS 'Operational webhooks that are not messages yet. The jobs take them out each second.';


--
-- Name: COLUMN operational_event.id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.operational_event.id IS 'The order in which an organisation is told.';


--
-- Name: COLUMN operational_event.org_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.operational_event.org_id IS 'The organisation that is told. Its endpoints are those of the application of the reserved organisation that has this as its uid.';


--
-- Name: COLUMN operational_event.type; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.operational_event.type IS 'The event type, such as endpoint.disabled.';


--
-- Name: COLUMN operational_event.payload; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.operational_event.payload IS 'What is sent, to the byte: {"type": ..., "data": {...}}.';


--
-- Name: COLUMN operational_event.created_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.operational_event.created_at IS 'When its transaction began. Old ones mean that no process runs the jobs.';


--
-- Name: COLUMN operational_event.subject; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.operational_event.subject IS 'What it is about: the id of an endpoint or task, or those of a message and an endpoint. NULL: nothing whose events have an order.';


--
-- Name: operational_event_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.operational_event ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.operational_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: outbox_dead_letter; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.outbox_dead_letter (
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
-- Name: TABLE outbox_dead_letter; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.outbox_dead_letter IS 'What was taken out of the outbox and could not be sent. It stays until somebody deletes it, or inserts it into the outbox again.';


--
-- Name: COLUMN outbox_dead_letter.id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.outbox_dead_letter.id IS 'The id that it had in the outbox. Others may have had the same.';


--
-- Name: COLUMN outbox_dead_letter.reason; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.outbox_dead_letter.reason IS 'Why it could not be sent.';


--
-- Name: COLUMN outbox_dead_letter.letter_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.outbox_dead_letter.letter_id IS 'The order in which they were put aside.';


--
-- Name: outbox_dead_letter_letter_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.outbox_dead_letter ALTER COLUMN letter_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.outbox_dead_letter_letter_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: outbox_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.outbox ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: token_revocation; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.token_revocation (
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
-- Name: TABLE token_revocation; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.token_revocation IS 'Tokens of applications and organisations that are no longer good. No foreign key: a token may name an application that is gone.';


--
-- Name: COLUMN token_revocation.app_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.token_revocation.app_id IS 'Whose tokens: the application''s id, or the organisation''s for those of the organisation itself.';


--
-- Name: COLUMN token_revocation.id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.token_revocation.id IS 'Only to tell rows apart: the API never shows one.';


--
-- Name: COLUMN token_revocation.token_hash; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.token_revocation.token_hash IS 'SHA-256 of what was signed of the one token it is about; NULL: not just one.';


--
-- Name: COLUMN token_revocation.session_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.token_revocation.session_id IS 'Only tokens made for this session; NULL: whatever their session.';


--
-- Name: COLUMN token_revocation.issued_before; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.token_revocation.issued_before IS 'Only tokens issued before this instant; those that do not say when are.';


--
-- Name: COLUMN token_revocation.effective_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.token_revocation.effective_at IS 'The tokens are good until then. In the past where they were to end at once, for machines whose clock is behind.';


--
-- Name: COLUMN token_revocation.forget_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.token_revocation.forget_at IS 'From then on the row changes nothing and may be deleted; NULL: never.';


--
-- Name: token_revocation_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.token_revocation ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.token_revocation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: attempt_default; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.attempt ATTACH PARTITION public.attempt_default DEFAULT;


--
-- Name: message_default; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.message ATTACH PARTITION public.message_default DEFAULT;


--
-- Name: application application_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.application
    ADD CONSTRAINT application_id_key UNIQUE (id);


--
-- Name: application application_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.application
    ADD CONSTRAINT application_pkey PRIMARY KEY (org_id, id);


--
-- Name: attempt_count attempt_count_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.attempt_count
    ADD CONSTRAINT attempt_count_pkey PRIMARY KEY (app_id, endpoint_id, partition_oid, until_id);


--
-- Name: attempt attempt_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.attempt
    ADD CONSTRAINT attempt_pkey PRIMARY KEY (app_id, message_id, id);


--
-- Name: attempt_default attempt_default_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.attempt_default
    ADD CONSTRAINT attempt_default_pkey PRIMARY KEY (app_id, message_id, id);


--
-- Name: background_task background_task_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.background_task
    ADD CONSTRAINT background_task_pkey PRIMARY KEY (org_id, id);


--
-- Name: delivery delivery_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.delivery
    ADD CONSTRAINT delivery_pkey PRIMARY KEY (app_id, message_id, endpoint_id);


--
-- Name: delivery_position delivery_position_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.delivery_position
    ADD CONSTRAINT delivery_position_pkey PRIMARY KEY (id);


--
-- Name: endpoint endpoint_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.endpoint
    ADD CONSTRAINT endpoint_pkey PRIMARY KEY (app_id, id);


--
-- Name: event_type event_type_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.event_type
    ADD CONSTRAINT event_type_pkey PRIMARY KEY (org_id, name);


--
-- Name: idempotency_key idempotency_key_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.idempotency_key
    ADD CONSTRAINT idempotency_key_pkey PRIMARY KEY (org_id, key_hash);


--
-- Name: message message_channels_tags_traceparent_check; Type: CHECK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE public.message
    ADD CONSTRAINT message_channels_tags_traceparent_check CHECK (((pg_column_size(channels) <= 4096) AND (pg_column_size(tags) <= 4096) AND (octet_length(traceparent) <= 256))) NOT VALID;


--
-- Name: message message_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.message
    ADD CONSTRAINT message_pkey PRIMARY KEY (app_id, id);


--
-- Name: message_default message_default_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.message_default
    ADD CONSTRAINT message_default_pkey PRIMARY KEY (app_id, id);


--
-- Name: message message_event_id_event_type_content_type_check; Type: CHECK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE public.message
    ADD CONSTRAINT message_event_id_event_type_content_type_check CHECK (((octet_length(event_id) <= 256) AND (octet_length(event_type) <= 256) AND (octet_length(content_type) <= 256))) NOT VALID;


--
-- Name: message_event_id message_event_id_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.message_event_id
    ADD CONSTRAINT message_event_id_pkey PRIMARY KEY (app_id, event_id);


--
-- Name: message_key message_key_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.message_key
    ADD CONSTRAINT message_key_pkey PRIMARY KEY (app_id, key_hash);


--
-- Name: message message_payload_check; Type: CHECK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE public.message
    ADD CONSTRAINT message_payload_check CHECK ((octet_length(payload) <= 2097152)) NOT VALID;


--
-- Name: operational_event operational_event_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.operational_event
    ADD CONSTRAINT operational_event_pkey PRIMARY KEY (id);


--
-- Name: outbox outbox_application_dots_check; Type: CHECK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE public.outbox
    ADD CONSTRAINT outbox_application_dots_check CHECK ((application <> ALL (ARRAY['.'::text, '..'::text]))) NOT VALID;


--
-- Name: outbox outbox_channels_check; Type: CHECK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE public.outbox
    ADD CONSTRAINT outbox_channels_check CHECK ((((cardinality(channels) >= 1) AND (cardinality(channels) <= 10)) AND (channels <@ string_to_array(array_to_string(channels, ','::text), ','::text)) AND (array_to_string(channels, ','::text) ~ '^[a-zA-Z0-9_.:+-]+(,[a-zA-Z0-9_.:+-]+)*$'::text) AND (array_to_string(channels, ','::text) !~ '[^,]{129}[^,]{128}'::text))) NOT VALID;


--
-- Name: outbox_dead_letter outbox_dead_letter_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.outbox_dead_letter
    ADD CONSTRAINT outbox_dead_letter_pkey PRIMARY KEY (letter_id);


--
-- Name: outbox outbox_event_id_dots_check; Type: CHECK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE public.outbox
    ADD CONSTRAINT outbox_event_id_dots_check CHECK ((event_id <> ALL (ARRAY['.'::text, '..'::text]))) NOT VALID;


--
-- Name: outbox outbox_event_type_dots_check; Type: CHECK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE public.outbox
    ADD CONSTRAINT outbox_event_type_dots_check CHECK ((event_type <> ALL (ARRAY['.'::text, '..'::text]))) NOT VALID;


--
-- Name: outbox outbox_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);


--
-- Name: outbox outbox_tags_check; Type: CHECK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE public.outbox
    ADD CONSTRAINT outbox_tags_check CHECK (((cardinality(tags) = 0) OR ((cardinality(tags) <= 5) AND (tags <@ string_to_array(array_to_string(tags, ','::text), ','::text)) AND (array_to_string(tags, ','::text) ~ '^[a-zA-Z0-9_./\\#-]+(,[a-zA-Z0-9_./\\#-]+)*$'::text) AND (array_to_string(tags, ','::text) !~ '[^,]{129}[^,]{128}'::text)))) NOT VALID;


--
-- Name: token_revocation token_revocation_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.token_revocation
    ADD CONSTRAINT token_revocation_pkey PRIMARY KEY (app_id, id);


--
-- Name: INDEX application_id_key; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.application_id_key IS 'Ids are unique everywhere, not only in an organisation: messages name the application alone.';


--
-- Name: application_org_id_uid_key; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX application_org_id_uid_key ON public.application USING btree (org_id, uid) WHERE (uid IS NOT NULL);


--
-- Name: INDEX application_org_id_uid_key; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.application_org_id_uid_key IS 'Lookup by uid; a uid is free again once its application is deleted.';


--
-- Name: attempt_app_id_endpoint_id_message_id_id_failed_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX attempt_app_id_endpoint_id_message_id_id_failed_idx ON ONLY public.attempt USING btree (app_id, endpoint_id, message_id, id) WHERE (status = 2);


--
-- Name: INDEX attempt_app_id_endpoint_id_message_id_id_failed_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.attempt_app_id_endpoint_id_message_id_id_failed_idx IS 'The messages of which an attempt at an endpoint failed.';


--
-- Name: attempt_app_id_endpoint_id_status_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX attempt_app_id_endpoint_id_status_id_idx ON ONLY public.attempt USING btree (app_id, endpoint_id, status, id);


--
-- Name: INDEX attempt_app_id_endpoint_id_status_id_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.attempt_app_id_endpoint_id_status_id_idx IS 'The attempts at an endpoint that have a status, newest first.';


--
-- Name: attempt_default_app_id_endpoint_id_message_id_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX attempt_default_app_id_endpoint_id_message_id_id_idx ON public.attempt_default USING btree (app_id, endpoint_id, message_id, id) WHERE (status = 2);


--
-- Name: attempt_default_app_id_endpoint_id_status_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX attempt_default_app_id_endpoint_id_status_id_idx ON public.attempt_default USING btree (app_id, endpoint_id, status, id);


--
-- Name: attempt_endpoint_id_message_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX attempt_endpoint_id_message_id_idx ON ONLY public.attempt USING btree (endpoint_id, message_id);


--
-- Name: INDEX attempt_endpoint_id_message_id_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.attempt_endpoint_id_message_id_idx IS 'The messages that were attempted at an endpoint.';


--
-- Name: attempt_default_endpoint_id_message_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX attempt_default_endpoint_id_message_id_idx ON public.attempt_default USING btree (endpoint_id, message_id);


--
-- Name: background_task_app_id_endpoint_id_task_running_key; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX background_task_app_id_endpoint_id_task_running_key ON public.background_task USING btree (COALESCE(app_id, org_id), COALESCE(endpoint_id, ''::text), task) WHERE ((status = 'running'::text) AND (NOT duplicate));


--
-- Name: INDEX background_task_app_id_endpoint_id_task_running_key; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.background_task_app_id_endpoint_id_task_running_key IS 'One task of a kind runs for an endpoint, an application or an organisation.';


--
-- Name: background_task_app_id_id_running_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX background_task_app_id_id_running_idx ON public.background_task USING btree (COALESCE(app_id, org_id), id) WHERE (status = 'running'::text);


--
-- Name: INDEX background_task_app_id_id_running_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.background_task_app_id_id_running_idx IS 'Which applications have running tasks, and those of each, for their turns.';


--
-- Name: background_task_id_ended_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX background_task_id_ended_idx ON public.background_task USING btree (id) WHERE (status <> 'running'::text);


--
-- Name: INDEX background_task_id_ended_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.background_task_id_ended_idx IS 'Ended tasks, oldest first, to be deleted.';


--
-- Name: delivery_due_at_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX delivery_due_at_idx ON public.delivery USING btree (due_at) WHERE (state = 'leased'::text);


--
-- Name: INDEX delivery_due_at_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.delivery_due_at_idx IS 'Leases that have run out.';


--
-- Name: delivery_endpoint_id_seq_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX delivery_endpoint_id_seq_idx ON public.delivery USING btree (endpoint_id, seq) WHERE (queue = 2);


--
-- Name: INDEX delivery_endpoint_id_seq_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.delivery_endpoint_id_seq_idx IS 'The next delivery to a FIFO endpoint.';


--
-- Name: delivery_endpoint_id_subject_place_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX delivery_endpoint_id_subject_place_idx ON public.delivery USING btree (endpoint_id, subject, place) WHERE (subject IS NOT NULL);


--
-- Name: INDEX delivery_endpoint_id_subject_place_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.delivery_endpoint_id_subject_place_idx IS 'The first delivery of a lane, and the next lane.';


--
-- Name: delivery_queue_endpoint_id_due_at_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX delivery_queue_endpoint_id_due_at_idx ON public.delivery USING btree (queue, endpoint_id, due_at) WHERE (state = 'waiting'::text);


--
-- Name: INDEX delivery_queue_endpoint_id_due_at_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.delivery_queue_endpoint_id_due_at_idx IS 'Claims go from queue to queue, and take from each what is due.';


--
-- Name: delivery_txid_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX delivery_txid_idx ON public.delivery USING btree (txid) WHERE (state = 'fresh'::text);


--
-- Name: INDEX delivery_txid_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.delivery_txid_idx IS 'Fresh deliveries, in the order of their transactions.';


--
-- Name: endpoint_app_id_uid_key; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX endpoint_app_id_uid_key ON public.endpoint USING btree (app_id, uid) WHERE (uid IS NOT NULL);


--
-- Name: INDEX endpoint_app_id_uid_key; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.endpoint_app_id_uid_key IS 'Lookup by uid; a uid is free again once its endpoint is deleted.';


--
-- Name: outbox_txid_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX outbox_txid_idx ON public.outbox USING btree (txid) INCLUDE (id);


--
-- Name: INDEX outbox_txid_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.outbox_txid_idx IS 'What was inserted since a consumer last looked.';


--
-- Name: token_revocation_app_id_issued_before_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX token_revocation_app_id_issued_before_idx ON public.token_revocation USING btree (app_id, issued_before) WHERE ((token_hash IS NULL) AND (session_id IS NULL));


--
-- Name: INDEX token_revocation_app_id_issued_before_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.token_revocation_app_id_issued_before_idx IS 'Look-up with each request that bears a token. An index for each kind of row: in one for all, the few about all tokens look like half of it to the planner, which then reads the table.';


--
-- Name: token_revocation_app_id_session_id_issued_before_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX token_revocation_app_id_session_id_issued_before_idx ON public.token_revocation USING btree (app_id, session_id, issued_before) WHERE (session_id IS NOT NULL);


--
-- Name: INDEX token_revocation_app_id_session_id_issued_before_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.token_revocation_app_id_session_id_issued_before_idx IS 'Look-up with each request that bears a token.';


--
-- Name: token_revocation_app_id_token_hash_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX token_revocation_app_id_token_hash_idx ON public.token_revocation USING btree (app_id, token_hash) WHERE (token_hash IS NOT NULL);


--
-- Name: INDEX token_revocation_app_id_token_hash_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.token_revocation_app_id_token_hash_idx IS 'Look-up with each request that bears a token.';


--
-- Name: token_revocation_forget_at_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX token_revocation_forget_at_idx ON public.token_revocation USING btree (forget_at) WHERE (forget_at IS NOT NULL);


--
-- Name: INDEX token_revocation_forget_at_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.token_revocation_forget_at_idx IS 'What can be deleted by now.';


--
-- Name: attempt_default_app_id_endpoint_id_message_id_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.attempt_app_id_endpoint_id_message_id_id_failed_idx ATTACH PARTITION public.attempt_default_app_id_endpoint_id_message_id_id_idx;


--
-- Name: attempt_default_app_id_endpoint_id_status_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.attempt_app_id_endpoint_id_status_id_idx ATTACH PARTITION public.attempt_default_app_id_endpoint_id_status_id_idx;


--
-- Name: attempt_default_endpoint_id_message_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.attempt_endpoint_id_message_id_idx ATTACH PARTITION public.attempt_default_endpoint_id_message_id_idx;


--
-- Name: attempt_default_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.attempt_pkey ATTACH PARTITION public.attempt_default_pkey;


--
-- Name: message_default_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.message_pkey ATTACH PARTITION public.message_default_pkey;


--
-- Name: delivery delivery_number; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER delivery_number BEFORE INSERT ON public.delivery FOR EACH ROW WHEN ((new.queue = 2)) EXECUTE FUNCTION public.delivery_number();


--
-- Name: endpoint endpoint_app_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.endpoint
    ADD CONSTRAINT endpoint_app_id_fkey FOREIGN KEY (app_id) REFERENCES public.application(id);


--
-- PostgreSQL database dump complete
--


