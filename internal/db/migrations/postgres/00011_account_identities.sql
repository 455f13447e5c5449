-- +goose Up
-- Identities at outside providers that users sign in with (internal/account). The
-- issuer says whom the provider's name stood for when the identity was linked: a
-- name that is given to another issuer later opens nobody's door.
CREATE TABLE account_identities (
    id           TEXT      NOT NULL PRIMARY KEY,
    user_id      TEXT      NOT NULL REFERENCES users (id),
    issuer       TEXT      NOT NULL,
    provider     TEXT      NOT NULL,
    provider_sub TEXT      NOT NULL,
    email        TEXT      NOT NULL, -- as the provider told it when linked; proves nothing
    display_name TEXT      NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL,
    last_used_at TIMESTAMPTZ NOT NULL,
    UNIQUE (provider, provider_sub)
);
CREATE INDEX account_identities_user ON account_identities (user_id);
