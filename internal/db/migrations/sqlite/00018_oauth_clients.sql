-- +goose Up
-- What a relying app (internal/token) may ask the token endpoint for, and how it proves
-- itself there. JSON arrays are text; '' is none.
ALTER TABLE oauth_clients ADD COLUMN auth_method TEXT NOT NULL DEFAULT 'client_secret_basic' CHECK (auth_method IN
    ('client_secret_basic', 'client_secret_post', 'private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth', 'none'));
ALTER TABLE oauth_clients ADD COLUMN grants TEXT NOT NULL DEFAULT '[]';
ALTER TABLE oauth_clients ADD COLUMN scopes TEXT NOT NULL DEFAULT '[]';
ALTER TABLE oauth_clients ADD COLUMN post_logout_redirect_uris TEXT NOT NULL DEFAULT '[]';
ALTER TABLE oauth_clients ADD COLUMN jwks TEXT NOT NULL DEFAULT ''; -- public keys (RFC 7517, section 5)
ALTER TABLE oauth_clients ADD COLUMN jwks_uri TEXT NOT NULL DEFAULT '';
ALTER TABLE oauth_clients ADD COLUMN tls_subject TEXT NOT NULL DEFAULT ''; -- RFC 8705, section 2.1.2, such as dns:host
ALTER TABLE oauth_clients ADD COLUMN consent TEXT NOT NULL DEFAULT 'ask' CHECK (consent IN ('ask', 'never'));
ALTER TABLE oauth_clients ADD COLUMN dpop TEXT NOT NULL DEFAULT 'optional' CHECK (dpop IN ('off', 'optional', 'required'));
ALTER TABLE oauth_clients ADD COLUMN mtls TEXT NOT NULL DEFAULT 'optional' CHECK (mtls IN ('off', 'optional', 'required'));

-- The secret before the last rotation, as SHA-256, is good until then.
ALTER TABLE oauth_clients ADD COLUMN old_secret_hash BLOB CHECK (length(old_secret_hash) = 32);
ALTER TABLE oauth_clients ADD COLUMN old_secret_until TIMESTAMP;

-- What accounts (tenants) demand of the senders of their clients' tokens. One without
-- a row leaves it to each client.
CREATE TABLE oauth_tenants (
    account_id TEXT NOT NULL PRIMARY KEY REFERENCES accounts (id),
    dpop       TEXT NOT NULL CHECK (dpop IN ('off', 'optional', 'required')),
    mtls       TEXT NOT NULL CHECK (mtls IN ('off', 'optional', 'required')),
    changed_at TIMESTAMP NOT NULL
);
