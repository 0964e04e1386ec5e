//! Whole federations of real servers and clients in virtual time.
fn main() {}
