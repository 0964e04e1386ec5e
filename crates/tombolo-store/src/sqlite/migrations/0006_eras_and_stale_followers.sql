-- The times in which the log only grew, in order; see `Era`.
CREATE TABLE eras (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    after_id INTEGER NOT NULL
) STRICT;

-- Since when a peer is stale.
ALTER TABLE followers ADD COLUMN stale_since_ms INTEGER;
