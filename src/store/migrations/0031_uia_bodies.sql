-- The request itself, encrypted (client/uia.c), for a retry that carries nothing but `auth`. NULL: too large, or of an
-- older program.
ALTER TABLE uia_sessions ADD COLUMN body BYTEA;
