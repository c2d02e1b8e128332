-- What a key is restricted to, with what it may do: an older program finds no scope in such a key, and refuses it.
ALTER TABLE api_keys ADD COLUMN restriction TEXT CHECK (restriction IS NULL OR scopes = 0);
