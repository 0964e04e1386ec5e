-- What local users have asked of others, for their own lists; an empty room stands for any room.
CREATE TABLE consent_asked (
    requester TEXT NOT NULL,
    target TEXT NOT NULL,
    room TEXT NOT NULL,
    requested_ms INTEGER NOT NULL,
    PRIMARY KEY (requester, target, room)
) STRICT, WITHOUT ROWID;

-- Consent entries that have arrived and that nobody has looked at yet. Numbers are not used twice:
-- what is removed is what was read.
CREATE TABLE arrivals (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    payload BLOB NOT NULL,
    arrived_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX consents_about ON consents (requester);
CREATE INDEX consent_requests_by ON consent_requests (requester);
