//! Every target in one program, for machines where linking each takes too long: `TARGET` says which.
#![no_main]

use std::sync::LazyLock;

static TARGET: LazyLock<String> =
    LazyLock::new(|| std::env::var("TARGET").expect("TARGET is the name of a target"));

libfuzzer_sys::fuzz_target!(|octets: &[u8]| mimi_wire_fuzz::run(&TARGET, octets));
