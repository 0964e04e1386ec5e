-- Who is gone, and has to go from rooms hosted here; an empty room stands for all of them. Numbers are
-- not used twice: what is done is what was read.
CREATE TABLE owed_removals (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    gone TEXT NOT NULL,
    room TEXT NOT NULL
) STRICT;
