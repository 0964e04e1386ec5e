//! Who gets an entry.
