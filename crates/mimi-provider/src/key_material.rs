//! `keyMaterial` as the target's provider (protocol section 5.2, PROTO-KM-5..12).
