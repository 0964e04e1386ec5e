-- What the certificates of an account's devices claim: a line each, name=value; empty for none.
ALTER TABLE accounts ADD COLUMN claims TEXT NOT NULL DEFAULT '';
