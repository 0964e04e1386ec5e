-- What users say of themselves, and what they may be found by.

CREATE TABLE profiles (
    id INTEGER PRIMARY KEY,
    user TEXT NOT NULL UNIQUE,
    octets BLOB NOT NULL
) STRICT;

-- Terms, as 16 hexadecimal digits each, by the profile's id. An inverted index: what many profiles
-- have in common costs an octet or two for each, several terms are intersected by skipping, and
-- writing a profile touches no more than the end of a log.
CREATE VIRTUAL TABLE profile_index USING fts5 (
    terms,
    content = '',
    contentless_delete = 1,
    detail = none,
    tokenize = 'ascii'
);
