-- Tokens of organisations can be revoked like those of applications. A row about them holds the organisation's id in
-- app_id too: it begins with org_, so that it is no application's, and the indexes serve both.
--
-- Comments only: nothing to wait for, nothing to undo by hand if it stops halfway. The release before looks up no
-- token of an organisation, and takes those that were revoked for good ones until it is replaced.

-- migrate:up
COMMENT ON TABLE token_revocation IS 'Tokens of applications and organisations that are no longer good. No foreign key: a token may name an application that is gone.';
COMMENT ON COLUMN token_revocation.app_id IS 'Whose tokens: the application''s id, or the organisation''s for those of the organisation itself.';
COMMENT ON INDEX token_revocation_app_id_issued_before_idx IS 'Look-up with each request that bears a token. An index for each kind of row: in one for all, the few about all tokens look like half of it to the planner, which then reads the table.';
COMMENT ON INDEX token_revocation_app_id_token_hash_idx IS 'Look-up with each request that bears a token.';
COMMENT ON INDEX token_revocation_app_id_session_id_issued_before_idx IS 'Look-up with each request that bears a token.';

-- migrate:down
COMMENT ON TABLE token_revocation IS 'Tokens of applications that are no longer good. No foreign key: a token may name an application that is gone.';
COMMENT ON COLUMN token_revocation.app_id IS NULL;
COMMENT ON INDEX token_revocation_app_id_issued_before_idx IS 'Look-up with each request that bears an application''s token. An index for each kind of row: in one for all, the few about all tokens look like half of it to the planner, which then reads the table.';
COMMENT ON INDEX token_revocation_app_id_token_hash_idx IS 'Look-up with each request that bears an application''s token.';
COMMENT ON INDEX token_revocation_app_id_session_id_issued_before_idx IS 'Look-up with each request that bears an application''s token.';
