-- Rooms of fixed membership by their set of members (a hash): one room per set.
CREATE TABLE member_sets (
    members BLOB NOT NULL PRIMARY KEY,
    room TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Hosted rooms that depend on another one.
CREATE TABLE room_parents (
    room TEXT NOT NULL PRIMARY KEY,
    parent TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX room_parents_by_parent ON room_parents (parent, room);
