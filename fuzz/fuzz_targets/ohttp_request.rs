#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| mimi_wire_fuzz::run("ohttp_request", octets));
