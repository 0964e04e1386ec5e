#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| mimi_wire_fuzz::run("content_any_key_order", octets));
