-- The day on which a device was last here, in milliseconds; 0 where nobody has looked yet.
ALTER TABLE devices ADD COLUMN last_seen_ms INTEGER NOT NULL DEFAULT 0;
