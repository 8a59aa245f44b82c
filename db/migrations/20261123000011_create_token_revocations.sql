-- Revocations of tokens: which tokens of an application are no longer good although their signature is.
--
-- Tokens themselves are in no table. A row here can be about one of them, about those made for one
-- session, or about all that an application's tokens were before an instant. Each request with an
-- application's token looks here once, by these indexes; one with an organisation's never does.
--
-- New table only: nothing to wait for, nothing to undo by hand if it stops halfway.

-- migrate:up
CREATE TABLE token_revocation (
    org_id text COLLATE "C" NOT NULL,
    app_id text COLLATE "C" NOT NULL,
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    token_hash bytea,
    session_id text COLLATE "C",
    issued_before timestamptz NOT NULL,
    effective_at timestamptz NOT NULL,
    forget_at timestamptz,
    CONSTRAINT token_revocation_pkey PRIMARY KEY (app_id, id),
    CONSTRAINT token_revocation_token_hash_session_id_check CHECK (token_hash IS NULL OR session_id IS NULL)
);

CREATE INDEX token_revocation_app_id_issued_before_idx
ON token_revocation (app_id, issued_before)
WHERE token_hash IS NULL AND session_id IS NULL;

CREATE INDEX token_revocation_app_id_token_hash_idx
ON token_revocation (app_id, token_hash)
WHERE token_hash IS NOT NULL;

CREATE INDEX token_revocation_app_id_session_id_issued_before_idx
ON token_revocation (app_id, session_id, issued_before)
WHERE session_id IS NOT NULL;

CREATE INDEX token_revocation_forget_at_idx
ON token_revocation (forget_at)
WHERE forget_at IS NOT NULL;

COMMENT ON TABLE token_revocation IS 'Tokens of applications that are no longer good. No foreign key: a token may name an application that is gone.';
COMMENT ON COLUMN token_revocation.id IS 'Only to tell rows apart: the API never shows one.';
COMMENT ON COLUMN token_revocation.token_hash IS 'SHA-256 of what was signed of the one token it is about; NULL: not just one.';
COMMENT ON COLUMN token_revocation.session_id IS 'Only tokens made for this session; NULL: whatever their session.';
COMMENT ON COLUMN token_revocation.issued_before IS 'Only tokens issued before this instant; those that do not say when are.';
COMMENT ON COLUMN token_revocation.effective_at IS 'The tokens are good until then. In the past where they were to end at once, for machines whose clock is behind.';
COMMENT ON COLUMN token_revocation.forget_at IS 'From then on the row changes nothing and may be deleted; NULL: never.';
COMMENT ON INDEX token_revocation_app_id_issued_before_idx IS 'Look-up with each request that bears an application''s token. An index for each kind of row: in one for all, the few about all tokens look like half of it to the planner, which then reads the table.';
COMMENT ON INDEX token_revocation_app_id_token_hash_idx IS 'Look-up with each request that bears an application''s token.';
COMMENT ON INDEX token_revocation_app_id_session_id_issued_before_idx IS 'Look-up with each request that bears an application''s token.';
COMMENT ON INDEX token_revocation_forget_at_idx IS 'What can be deleted by now.';

-- migrate:down
DROP TABLE token_revocation;
