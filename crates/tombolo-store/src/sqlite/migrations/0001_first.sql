-- Unsigned 64-bit numbers are stored as the signed ones of the same bits. Those that can be above
-- 2^63 (times that others tell us) are compared with that in mind.

CREATE TABLE streams (
    id INTEGER PRIMARY KEY,
    uri TEXT NOT NULL UNIQUE
) STRICT;

-- Small columns first: a reader of `audience` need not walk through a large payload.
-- No foreign key: this is the hot path, and streams are never deleted.
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    -- Peers, each with a space before it and one after the last; empty for none.
    audience TEXT NOT NULL,
    -- Clients, likewise; NULL for all that see the stream.
    targets TEXT,
    payload BLOB NOT NULL,
    detail BLOB NOT NULL,
    UNIQUE (stream, seq)
) STRICT;

CREATE TABLE rooms (
    stream INTEGER PRIMARY KEY REFERENCES streams (id),
    kind INTEGER NOT NULL,
    snapshot_seq INTEGER NOT NULL,
    snapshot BLOB NOT NULL
) STRICT;

CREATE TABLE followers (
    stream INTEGER NOT NULL REFERENCES streams (id),
    follower TEXT NOT NULL,
    delivered_seq INTEGER NOT NULL,
    PRIMARY KEY (stream, follower)
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
    user TEXT NOT NULL PRIMARY KEY,
    password_hash TEXT,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Local clients, by a short number: those with a device, and those that anything was noted about.
CREATE TABLE clients (
    id INTEGER PRIMARY KEY,
    uri TEXT NOT NULL UNIQUE,
    acknowledged_id INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE devices (
    client INTEGER PRIMARY KEY,
    user TEXT NOT NULL,
    name TEXT NOT NULL,
    token_sha256 BLOB NOT NULL UNIQUE,
    signature_key BLOB NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX devices_of_user ON devices (user);

CREATE TABLE memberships (
    id INTEGER PRIMARY KEY,
    client INTEGER NOT NULL,
    stream INTEGER NOT NULL REFERENCES streams (id),
    from_seq INTEGER NOT NULL,
    until_seq INTEGER
) STRICT;
CREATE INDEX memberships_of_client ON memberships (client, stream);
CREATE UNIQUE INDEX memberships_open ON memberships (stream, client) WHERE until_seq IS NULL;

-- A released KeyPackage has no octets any more; its reference and owner are remembered.
CREATE TABLE key_packages (
    id INTEGER PRIMARY KEY,
    reference BLOB NOT NULL UNIQUE,
    client INTEGER NOT NULL,
    not_after_ms INTEGER NOT NULL,
    ciphersuite INTEGER NOT NULL,
    capabilities BLOB,
    octets BLOB
) STRICT;
-- Apart, so that the stock is found without walking over what has been released since long.
CREATE INDEX key_packages_in_stock ON key_packages (client) WHERE octets IS NOT NULL;
CREATE INDEX key_packages_released ON key_packages (client) WHERE octets IS NULL;
CREATE INDEX key_packages_expiry ON key_packages (not_after_ms);

-- An empty room stands for any room.
CREATE TABLE consents (
    target TEXT NOT NULL,
    requester TEXT NOT NULL,
    room TEXT NOT NULL,
    granted INTEGER NOT NULL,
    decided_ms INTEGER NOT NULL,
    PRIMARY KEY (target, requester, room)
) STRICT, WITHOUT ROWID;

CREATE TABLE consent_requests (
    target TEXT NOT NULL,
    requester TEXT NOT NULL,
    room TEXT NOT NULL,
    requested_ms INTEGER NOT NULL,
    PRIMARY KEY (target, requester, room)
) STRICT, WITHOUT ROWID;
