-- Event types: what kinds of event an organisation sends, as endpoints can subscribe to them.
--
-- New table only: nothing to wait for, nothing to undo by hand if it stops halfway.

-- migrate:up
CREATE TABLE event_type (
    org_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    description text NOT NULL,
    archived boolean NOT NULL,
    deprecated boolean NOT NULL,
    schemas json,
    feature_flags text[],
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT event_type_pkey PRIMARY KEY (org_id, name)
);

COMMENT ON TABLE event_type IS 'A kind of event an organisation sends. Sending does not require one; subscribing does.';
COMMENT ON COLUMN event_type.archived IS 'Hidden from lists, and no endpoint can newly subscribe to it.';
COMMENT ON COLUMN event_type.schemas IS 'JSON Schemas by version, as the client wrote them: json, because jsonb would reorder them.';
COMMENT ON COLUMN event_type.feature_flags IS 'Only application tokens that carry one of these see it; NULL: all do.';

-- migrate:down
DROP TABLE event_type;
