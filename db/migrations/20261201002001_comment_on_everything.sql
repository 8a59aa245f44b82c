-- Comments on all columns, constraints, indexes and sequences that had none, so that psql's \d+ answers what a value
-- means, who writes it and when it is NULL. A test fails for whatever is added without a comment.
--
-- Each COMMENT waits for a VACUUM, ANALYZE or CREATE INDEX CONCURRENTLY of its table to end, and at most 2 s. It blocks
-- none of the service's statements. If it gives up, nothing has changed; run it again.
--
-- Going down leaves the comments: they do no harm.

-- migrate:up
SET LOCAL lock_timeout = '2s';

COMMENT ON COLUMN application.org_id IS 'The organisation it belongs to: the one in the token that created it.';
COMMENT ON COLUMN application.id IS 'Unique in all organisations. Contains the time of creation.';
COMMENT ON COLUMN application.name IS 'A name for people, set by the client.';
COMMENT ON COLUMN application.metadata IS 'A JSON object of the client''s own; Postrider never reads it.';
COMMENT ON COLUMN application.created_at IS 'When it was created, on Postgres''s clock.';
COMMENT ON COLUMN application.updated_at IS 'When a client last changed it. Workers do not touch it.';
COMMENT ON CONSTRAINT application_pkey ON application IS 'One row for each application.';
COMMENT ON INDEX application_pkey IS 'Look-up by id, and lists in the order of creation.';
COMMENT ON CONSTRAINT application_id_key ON application IS 'Messages and endpoints name their application by its id alone.';
COMMENT ON CONSTRAINT application_id_check ON application IS 'Ids have the prefix of their kind.';
COMMENT ON CONSTRAINT application_uid_check ON application IS 'A uid never looks like an id, so that one look-up serves both.';
COMMENT ON CONSTRAINT application_uid_name_metadata_check ON application IS 'Bounds in bytes of what a client stores.';
COMMENT ON CONSTRAINT application_throttle_rate_check ON application IS 'The bounds of the API, in messages per second.';
COMMENT ON CONSTRAINT application_throttled_until_check ON application IS 'Workers cannot read an infinite time.';

COMMENT ON COLUMN attempt.app_id IS 'The application of the message.';
COMMENT ON COLUMN attempt.id IS 'Contains the time at which the attempt began, and selects the partition.';
COMMENT ON COLUMN attempt.message_id IS 'The message that was sent. It may have been in a partition that has been dropped since.';
COMMENT ON COLUMN attempt.endpoint_id IS 'The endpoint that it was sent to.';
COMMENT ON COLUMN attempt.duration_ms IS 'Milliseconds from the beginning of the attempt to the end of the response, or to the failure.';
COMMENT ON COLUMN attempt.created_at IS 'When the attempt began, on Postgres''s clock. The row is written once the attempt has ended.';
COMMENT ON CONSTRAINT attempt_pkey ON attempt IS 'One row for each attempt.';
COMMENT ON INDEX attempt_pkey IS 'The attempts of a message, and look-up of one of them.';
COMMENT ON CONSTRAINT attempt_status_check ON attempt IS 'An attempt has succeeded (0) or failed (2). The other statuses of the API are those of deliveries.';
COMMENT ON CONSTRAINT attempt_trigger_check ON attempt IS 'An attempt was scheduled (0) or asked for by hand (1).';

COMMENT ON COLUMN attempt_count.app_id IS 'The application of the endpoint.';
COMMENT ON COLUMN attempt_count.endpoint_id IS 'The endpoint whose attempts were counted.';
COMMENT ON COLUMN attempt_count.succeeded IS 'The number of attempts that succeeded.';
COMMENT ON COLUMN attempt_count.failed IS 'The number of attempts that failed.';
COMMENT ON CONSTRAINT attempt_count_pkey ON attempt_count IS 'One count up to each id.';
COMMENT ON INDEX attempt_count_pkey IS 'The last count of a day before an id, for the statistics of an endpoint.';
COMMENT ON CONSTRAINT attempt_count_succeeded_failed_check ON attempt_count IS 'Counts are never negative.';

COMMENT ON COLUMN background_task.org_id IS 'The organisation that asked for it.';
COMMENT ON COLUMN background_task.id IS 'Contains the time of the request.';
COMMENT ON COLUMN background_task.status IS 'running: steps are left, even if none is being made right now; finished; failed: given up, with the reason in error.';
COMMENT ON COLUMN background_task.created_at IS 'When it was asked for, on Postgres''s clock.';
COMMENT ON COLUMN background_task.updated_at IS 'When the last step ended. A task that has ended is deleted 90 days later.';
COMMENT ON CONSTRAINT background_task_pkey ON background_task IS 'One row for each task.';
COMMENT ON INDEX background_task_pkey IS 'Look-up by id, and the lists of the API.';
COMMENT ON CONSTRAINT background_task_id_check ON background_task IS 'Ids have the prefix of their kind.';
COMMENT ON CONSTRAINT background_task_task_check ON background_task IS 'The kinds of tasks that the jobs can do.';
COMMENT ON CONSTRAINT background_task_status_check ON background_task IS 'The statuses of the API.';
COMMENT ON CONSTRAINT background_task_parameters_check ON background_task IS 'Bounds in bytes what a client asked for.';

COMMENT ON COLUMN delivery.app_id IS 'The application of the message and the endpoint.';
COMMENT ON COLUMN delivery.message_id IS 'The message that is owed. If its payload is gone, the delivery is dropped when it is claimed.';
COMMENT ON COLUMN delivery.endpoint_id IS 'The endpoint that it is owed to. If the endpoint is deleted or disabled, the delivery is dropped when it is claimed.';
COMMENT ON CONSTRAINT delivery_pkey ON delivery IS 'A message is owed to an endpoint once.';
COMMENT ON INDEX delivery_pkey IS 'Look-up of one delivery when its attempt is recorded, and of what is owed of a message or to an application. The only index that has all rows.';
COMMENT ON CONSTRAINT delivery_attempts_check ON delivery IS 'The number of failed attempts is never negative.';
COMMENT ON CONSTRAINT delivery_due_at_check ON delivery IS 'Workers cannot read an infinite time.';
COMMENT ON CONSTRAINT delivery_lease_check ON delivery IS 'The number of claims is not negative, and can still be counted on.';
COMMENT ON CONSTRAINT delivery_queue_check ON delivery IS 'The queues that claims know.';
COMMENT ON CONSTRAINT delivery_resume_at_check ON delivery IS 'Workers cannot read an infinite time.';
COMMENT ON CONSTRAINT delivery_seq_check ON delivery IS 'Deliveries to FIFO endpoints have a place in the order.';
COMMENT ON CONSTRAINT delivery_state_check ON delivery IS 'The states that workers know. Each has an index of its own.';
COMMENT ON CONSTRAINT delivery_subject_place_check ON delivery IS 'A delivery has a place exactly if it belongs to a lane.';
COMMENT ON CONSTRAINT delivery_position_pkey ON delivery_position IS 'One row for each take, of which all but the latest are deleted.';
COMMENT ON INDEX delivery_position_pkey IS 'The latest take, without passing the dead rows of earlier ones.';

COMMENT ON COLUMN endpoint.app_id IS 'The application it belongs to.';
COMMENT ON COLUMN endpoint.id IS 'Contains the time of creation. Unique in all applications.';
COMMENT ON COLUMN endpoint.description IS 'A text for people, set by the client.';
COMMENT ON COLUMN endpoint.version IS 'A number of the client''s own, from the API; changes nothing.';
COMMENT ON COLUMN endpoint.throttle_rate IS 'Attempts per second; NULL is unlimited.';
COMMENT ON COLUMN endpoint.disabled IS 'It gets no webhooks. Set by a client, or by a worker, which also sets disabled_reason.';
COMMENT ON COLUMN endpoint.metadata IS 'A JSON object of the client''s own; Postrider never reads it.';
COMMENT ON COLUMN endpoint.created_at IS 'When it was created, on Postgres''s clock. Only later messages are sent to it, unless a replay is asked for.';
COMMENT ON COLUMN endpoint.updated_at IS 'When a client last changed it, or when it was disabled.';
COMMENT ON CONSTRAINT endpoint_pkey ON endpoint IS 'One row for each endpoint.';
COMMENT ON INDEX endpoint_pkey IS 'All endpoints of an application for the fan-out, look-up by id, and lists in the order of creation.';
COMMENT ON CONSTRAINT endpoint_app_id_fkey ON endpoint IS 'An endpoint belongs to an application. Rows of applications are kept after a deletion.';
COMMENT ON CONSTRAINT endpoint_id_check ON endpoint IS 'Ids have the prefix of their kind.';
COMMENT ON CONSTRAINT endpoint_uid_check ON endpoint IS 'A uid never looks like an id, so that one look-up serves both.';
COMMENT ON CONSTRAINT endpoint_uid_url_description_check ON endpoint IS 'Bounds in bytes of what a client stores.';
COMMENT ON CONSTRAINT endpoint_event_types_channels_check ON endpoint IS 'Bounds in bytes of what a client stores.';
COMMENT ON CONSTRAINT endpoint_headers_check ON endpoint IS 'Workers can only send text: an object whose values are strings.';
COMMENT ON CONSTRAINT endpoint_headers_metadata_check ON endpoint IS 'Bounds in bytes of what a client stores.';
COMMENT ON CONSTRAINT endpoint_secret_old_secrets_check ON endpoint IS 'Bounds in bytes. Encrypted secrets are larger than plain ones.';
COMMENT ON CONSTRAINT endpoint_old_secrets_check ON endpoint IS 'Each old secret has an end, and there are at most ten.';
COMMENT ON CONSTRAINT endpoint_old_secrets_present_check ON endpoint IS 'Workers cannot read a NULL among secrets or an infinite time.';
COMMENT ON CONSTRAINT endpoint_disabled_reason_check ON endpoint IS 'The reasons for which workers disable an endpoint.';
COMMENT ON CONSTRAINT endpoint_paused_check ON endpoint IS 'A pause has a beginning and an end.';
COMMENT ON CONSTRAINT endpoint_paused_until_check ON endpoint IS 'Workers cannot read an infinite time.';
COMMENT ON CONSTRAINT endpoint_throttle_rate_check ON endpoint IS 'The bounds of the API, in attempts per second.';
COMMENT ON CONSTRAINT endpoint_throttled_until_check ON endpoint IS 'Workers cannot read an infinite time.';

COMMENT ON COLUMN event_type.org_id IS 'The organisation that sends it.';
COMMENT ON COLUMN event_type.name IS 'What messages and endpoints call it, such as invoice.paid.';
COMMENT ON COLUMN event_type.description IS 'A text for people, set by the client.';
COMMENT ON COLUMN event_type.deprecated IS 'Shown to clients; changes nothing.';
COMMENT ON COLUMN event_type.created_at IS 'When it was created, on Postgres''s clock.';
COMMENT ON COLUMN event_type.updated_at IS 'When a client last changed it.';
COMMENT ON CONSTRAINT event_type_pkey ON event_type IS 'Names are unique in an organisation.';
COMMENT ON INDEX event_type_pkey IS 'Look-up by name, and lists in the order of names.';
COMMENT ON CONSTRAINT event_type_name_description_group_name_check ON event_type IS 'Bounds in bytes of what a client stores.';
COMMENT ON CONSTRAINT event_type_schemas_feature_flags_check ON event_type IS 'Bounds in bytes of what a client stores.';

COMMENT ON COLUMN idempotency_key.org_id IS 'The organisation whose token came with the key.';
COMMENT ON COLUMN idempotency_key.created_at IS 'When the first request with the key came. The row is deleted 12 hours later.';
COMMENT ON CONSTRAINT idempotency_key_pkey ON idempotency_key IS 'A key takes effect once. A concurrent request with the same key waits for the first.';
COMMENT ON INDEX idempotency_key_pkey IS 'Look-up of the answer to an earlier request with the same key.';
COMMENT ON CONSTRAINT idempotency_key_key_hash_check ON idempotency_key IS 'A SHA-256 has 32 bytes.';
COMMENT ON CONSTRAINT idempotency_key_status_check ON idempotency_key IS 'Only successful answers are kept.';

COMMENT ON COLUMN message.app_id IS 'The application it was sent to.';
COMMENT ON COLUMN message.id IS 'Contains the time at which it was accepted, and selects the partition.';
COMMENT ON COLUMN message.event_type IS 'Selects the endpoints that want it. Need not be in event_type.';
COMMENT ON COLUMN message.channels IS 'Selects endpoints too: those that have one of these channels, or none; NULL: it has no channels.';
COMMENT ON COLUMN message.tags IS 'Names for searching, set by the sender; NULL: none.';
COMMENT ON COLUMN message.created_at IS 'When it was accepted, on Postgres''s clock.';
COMMENT ON CONSTRAINT message_pkey ON message IS 'One row for each message.';
COMMENT ON INDEX message_pkey IS 'Look-up by id, and the lists of an application, newest first.';
COMMENT ON CONSTRAINT message_event_id_event_type_content_type_check ON message IS 'Bounds in bytes. Messages older than the constraint were not checked.';
COMMENT ON CONSTRAINT message_channels_tags_traceparent_check ON message IS 'Bounds in bytes. Messages older than the constraint were not checked.';
COMMENT ON CONSTRAINT message_payload_check ON message IS 'At most 2 MiB. Messages older than the constraint were not checked.';

COMMENT ON COLUMN message_event_id.app_id IS 'The application the message was sent to.';
COMMENT ON COLUMN message_event_id.event_id IS 'The sender''s own name for the message.';
COMMENT ON COLUMN message_event_id.message_id IS 'The message that has this name. It may have been in a partition that has been dropped since.';
COMMENT ON CONSTRAINT message_event_id_pkey ON message_event_id IS 'Event ids are unique in an application.';
COMMENT ON INDEX message_event_id_pkey IS 'Look-up of a message by its event id.';

COMMENT ON COLUMN message_key.app_id IS 'The application the message was sent to.';
COMMENT ON COLUMN message_key.message_id IS 'The message that was stored for the first request with the key, and is the answer to all others.';
COMMENT ON COLUMN message_key.created_at IS 'When the first request with the key came. The row is deleted 12 hours later.';
COMMENT ON CONSTRAINT message_key_pkey ON message_key IS 'A key stores one message.';
COMMENT ON INDEX message_key_pkey IS 'Look-up of the message that an earlier request with the same key has stored.';
COMMENT ON CONSTRAINT message_key_key_hash_check ON message_key IS 'A SHA-256 has 32 bytes.';

COMMENT ON CONSTRAINT operational_event_pkey ON operational_event IS 'One row for each event.';
COMMENT ON INDEX operational_event_pkey IS 'The next events, in order.';
COMMENT ON SEQUENCE operational_event_id_seq IS 'Numbers the operational events.';

COMMENT ON COLUMN outbox.event_type IS 'The event type of the message, such as invoice.paid.';
COMMENT ON CONSTRAINT outbox_pkey ON outbox IS 'One row for each message.';
COMMENT ON INDEX outbox_pkey IS 'The next messages, in order.';
COMMENT ON CONSTRAINT outbox_application_check ON outbox IS 'The names that the API accepts.';
COMMENT ON CONSTRAINT outbox_application_dots_check ON outbox IS 'Names that mean something else in a path of the API. Older rows were not checked.';
COMMENT ON CONSTRAINT outbox_event_type_check ON outbox IS 'The names that the API accepts.';
COMMENT ON CONSTRAINT outbox_event_type_dots_check ON outbox IS 'Names that mean something else in a path of the API. Older rows were not checked.';
COMMENT ON CONSTRAINT outbox_event_id_check ON outbox IS 'The names that the API accepts; none looks like the id of a message.';
COMMENT ON CONSTRAINT outbox_event_id_dots_check ON outbox IS 'Names that mean something else in a path of the API. Older rows were not checked.';
COMMENT ON CONSTRAINT outbox_org_id_check ON outbox IS 'An organisation that a token can be for.';
COMMENT ON CONSTRAINT outbox_payload_check ON outbox IS 'A JSON object of at most 2 MiB.';
COMMENT ON CONSTRAINT outbox_channels_check ON outbox IS 'The channels that the API accepts. Older rows were not checked.';
COMMENT ON CONSTRAINT outbox_tags_check ON outbox IS 'The tags that the API accepts. Older rows were not checked.';
COMMENT ON SEQUENCE outbox_id_seq IS 'Numbers the messages in the outbox.';

COMMENT ON COLUMN outbox_dead_letter.org_id IS 'As it was in the outbox.';
COMMENT ON COLUMN outbox_dead_letter.application IS 'As it was in the outbox: the id or uid of an application.';
COMMENT ON COLUMN outbox_dead_letter.event_type IS 'As it was in the outbox.';
COMMENT ON COLUMN outbox_dead_letter.payload IS 'As it was in the outbox.';
COMMENT ON COLUMN outbox_dead_letter.event_id IS 'As it was in the outbox; NULL: it had none.';
COMMENT ON COLUMN outbox_dead_letter.channels IS 'As they were in the outbox; NULL: it had none.';
COMMENT ON COLUMN outbox_dead_letter.tags IS 'As they were in the outbox; NULL: it had none.';
COMMENT ON COLUMN outbox_dead_letter.traceparent IS 'As it was in the outbox; NULL: it had none.';
COMMENT ON COLUMN outbox_dead_letter.created_at IS 'When the transaction began that inserted it into the outbox.';
COMMENT ON COLUMN outbox_dead_letter.refused_at IS 'When a consumer put it aside.';
COMMENT ON CONSTRAINT outbox_dead_letter_pkey ON outbox_dead_letter IS 'One row for each letter.';
COMMENT ON INDEX outbox_dead_letter_pkey IS 'Letters in the order in which they were put aside.';
COMMENT ON SEQUENCE outbox_dead_letter_letter_id_seq IS 'Numbers the dead letters.';

COMMENT ON COLUMN token_revocation.org_id IS 'The organisation whose tokens they are, or to which the application belongs.';
COMMENT ON CONSTRAINT token_revocation_pkey ON token_revocation IS 'One row for each revocation.';
COMMENT ON INDEX token_revocation_pkey IS 'Tells rows apart, for logical replication.';
COMMENT ON CONSTRAINT token_revocation_token_hash_session_id_check ON token_revocation IS 'A row is about one token, one session, or all tokens.';
COMMENT ON SEQUENCE token_revocation_id_seq IS 'Numbers the revocations.';

-- migrate:down
