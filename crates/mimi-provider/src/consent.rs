//! Consent (protocol section 5.7, PROTO-CON-1..10).
