//! Entries at the end of a room's log.
