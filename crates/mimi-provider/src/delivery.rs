//! When to try a peer again, and how much to send at once (PROTO-NTF-9, AMB-NTF-10).
