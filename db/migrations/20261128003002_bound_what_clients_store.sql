-- Whatever a client stores has a size that the database knows. The service checks the same before; a constraint holds
-- for every other writer too, and for what a later release forgets. Ten lists of 250 rows whose descriptions had two
-- megabytes each took nine gigabytes of a process's memory.
--
-- The bounds are no stricter than those of the service, and of jsonb, arrays and what may be encrypted one day wider:
-- those are bounded as they are stored, in bytes. pg_column_size of a value that is being stored is the size before
-- compression; of one that is there already it reads nothing but the row, which keeps updates of other columns cheap.
--
-- Each statement checks the rows that are there, under a lock that keeps others from the table: a second for a million
-- rows. Messages that are there are not checked: they go with their partitions. If it stops halfway, nothing has
-- changed; run it again. Rows that break a bound were written by hand: shorten them first.

-- migrate:up
SET LOCAL lock_timeout = '2s';
ALTER TABLE application ADD CONSTRAINT application_uid_name_metadata_check CHECK (
    octet_length(uid) <= 256 AND octet_length(name) <= 4096 AND pg_column_size(metadata) <= 16384
);
ALTER TABLE endpoint ADD CONSTRAINT endpoint_uid_url_description_check CHECK (
    octet_length(uid) <= 256 AND octet_length(url) <= 131072 AND octet_length(description) <= 16384
);
ALTER TABLE endpoint ADD CONSTRAINT endpoint_event_types_channels_check CHECK (
    pg_column_size(event_types) <= 300000 AND pg_column_size(channels) <= 4096
);
ALTER TABLE endpoint ADD CONSTRAINT endpoint_headers_metadata_check CHECK (
    pg_column_size(headers) <= 131072 AND pg_column_size(metadata) <= 16384
);
ALTER TABLE event_type ADD CONSTRAINT event_type_name_description_group_name_check CHECK (
    octet_length(name) <= 256 AND octet_length(description) <= 16384 AND octet_length(group_name) <= 256
);
ALTER TABLE event_type ADD CONSTRAINT event_type_schemas_feature_flags_check CHECK (
    pg_column_size(schemas) <= 524292 AND pg_column_size(feature_flags) <= 300000
);
ALTER TABLE message ADD CONSTRAINT message_event_id_event_type_content_type_check CHECK (
    octet_length(event_id) <= 256 AND octet_length(event_type) <= 256 AND octet_length(content_type) <= 256
) NOT VALID;
ALTER TABLE message ADD CONSTRAINT message_payload_check CHECK (octet_length(payload) <= 2097152) NOT VALID;
ALTER TABLE message ADD CONSTRAINT message_channels_tags_traceparent_check CHECK (
    pg_column_size(channels) <= 4096 AND pg_column_size(tags) <= 4096 AND octet_length(traceparent) <= 256
) NOT VALID;
ALTER TABLE background_task ADD CONSTRAINT background_task_parameters_check CHECK (pg_column_size(parameters) <= 1048576);

-- migrate:down
SET LOCAL lock_timeout = '2s';
ALTER TABLE background_task DROP CONSTRAINT background_task_parameters_check;
ALTER TABLE message DROP CONSTRAINT message_channels_tags_traceparent_check;
ALTER TABLE message DROP CONSTRAINT message_payload_check;
ALTER TABLE message DROP CONSTRAINT message_event_id_event_type_content_type_check;
ALTER TABLE event_type DROP CONSTRAINT event_type_schemas_feature_flags_check;
ALTER TABLE event_type DROP CONSTRAINT event_type_name_description_group_name_check;
ALTER TABLE endpoint DROP CONSTRAINT endpoint_headers_metadata_check;
ALTER TABLE endpoint DROP CONSTRAINT endpoint_event_types_channels_check;
ALTER TABLE endpoint DROP CONSTRAINT endpoint_uid_url_description_check;
ALTER TABLE application DROP CONSTRAINT application_uid_name_metadata_check;
