-- +goose Up
-- Administration of users (internal/account). proven is 1 where the mailbox proved
-- the address, or the operator vouched for it: an identity at a provider is matched
-- by such addresses only. A tenant's administrator vouches for others.
ALTER TABLE user_emails ADD COLUMN proven INTEGER NOT NULL DEFAULT 0 CHECK (proven IN (0, 1));

-- The name to show, in lower case: users are listed by it.
ALTER TABLE users ADD COLUMN sort_name TEXT NOT NULL DEFAULT '';
UPDATE users SET sort_name = lower(display_name);
CREATE INDEX users_sort_name ON users (sort_name, id);
