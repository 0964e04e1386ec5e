//! How much memory a decoder may take for what a stranger sent.

/// Octets of memory that a decoder may hold at once for each octet of its input: a list grows by
/// doubling, and its smallest elements have one or two octets on the wire and some dozens in
/// memory.
pub const PER_OCTET: u64 = 96;
/// What it may hold beside that: the first elements of lists, and the words of an error.
pub const BESIDE: u64 = 16 * 1_024;

/// Runs `decode` and fails if it held more memory at once than is fair for `octets`.
pub fn bounded<T>(octets: &[u8], decode: impl FnOnce() -> T) -> T {
    bounded_by(PER_OCTET * octets.len() as u64 + BESIDE, decode)
}

/// As [`bounded`], by a bound of its own.
pub fn bounded_by<T>(bound: u64, decode: impl FnOnce() -> T) -> T {
    let mut value = None;
    let info = allocation_counter::measure(|| value = Some(decode()));
    assert!(info.bytes_max <= bound, "{} octets of memory, at most {bound}", info.bytes_max);
    value.expect("it was run")
}
