use proptest::prelude::{any, prop_assert_eq, proptest};

use super::{Reader, Wire, Writer};
use crate::fixtures::{octets, vector};
use crate::limits::HANDSHAKE_BODY_OCTETS_MAX;

/// A vector of octets and nothing else.
#[derive(Debug, PartialEq)]
struct Opaque(Vec<u8>);

impl Wire for Opaque {
    fn read(reader: &mut Reader<'_>) -> Result<Self, super::Malformed> {
        Ok(Self(reader.opaque(usize::MAX, "Opaque")?.to_vec()))
    }

    fn write(&self, writer: &mut Writer) {
        writer.opaque(&self.0);
    }
}

/// WIRE-1: RFC 9420 section 2.1.2.
#[test]
fn lengths_have_one_form() {
    for (length, prefix) in [
        (0, "00"),
        (63, "3f"),
        (64, "4040"),
        (16_383, "7fff"),
        (16_384, "80004000"),
        (1 << 20, "80100000"),
    ] {
        let body = vec![7; length];
        let octets = octets!(prefix, body.clone());
        assert_eq!(Opaque(body.clone()).encode(), octets);
        assert_eq!(Opaque::decode(&octets), Ok(Opaque(body)));
    }
    for longer in ["4000", "403f", "80000000", "8000003f", "80000040", "80003fff"] {
        let octets = octets!(longer, vec![7; 20_000]);
        let fault = Reader::new(&octets).length("x").unwrap_err();
        assert_eq!(fault.reason, "the length prefix is not in its shortest form");
        assert_eq!(fault.offset, 0);
    }
    assert!(Reader::new(&octets!("c000000000000001 00")).length("x").is_err());
    assert!(Opaque::decode(&[]).is_err());
    assert!(Opaque::decode(&octets!("40")).is_err());
    assert!(Opaque::decode(&octets!("800000")).is_err());
}

/// WIRE-2, AMB-W-2, AMB-W-7.
#[test]
fn optional_and_boolean_are_zero_or_one() {
    let read = |octets: &[u8]| Reader::new(octets).optional("x", |reader| reader.u8("y"));
    assert_eq!(read(&[0]), Ok(None));
    assert_eq!(read(&[1, 9]), Ok(Some(9)));
    assert!(read(&[1]).is_err());
    assert_eq!(read(&[2, 9]).unwrap_err().reason, "presence octet 2, must be 0 or 1");
    let read = |octets: &[u8]| Reader::new(octets).boolean("x");
    assert_eq!(read(&[0]), Ok(false));
    assert_eq!(read(&[1]), Ok(true));
    assert!(read(&[2]).is_err());
    assert!(read(&[]).is_err());
}

/// WIRE-3: big-endian.
#[test]
fn integers_are_big_endian() {
    let octets = octets!("01 0203 04050607 08090a0b0c0d0e0f");
    let mut reader = Reader::new(&octets);
    assert_eq!(reader.u8("x"), Ok(0x01));
    assert_eq!(reader.u16("x"), Ok(0x0203));
    assert_eq!(reader.u32("x"), Ok(0x0405_0607));
    assert_eq!(reader.u64("x"), Ok(0x0809_0a0b_0c0d_0e0f));
    assert!(reader.u8("x").is_err());
    let mut writer = Writer::default();
    writer.u8(0x01);
    writer.u16(0x0203);
    writer.u32(0x0405_0607);
    writer.u64(0x0809_0a0b_0c0d_0e0f);
    assert_eq!(writer.into_octets(), octets);
}

#[test]
fn vectors_and_texts_are_bounded() {
    let three = vector(&[1, 2, 3]);
    assert!(Reader::new(&three).opaque(3, "x").is_ok());
    assert_eq!(
        Reader::new(&three).opaque(2, "x").unwrap_err().reason,
        "3 octets, at most 2 allowed"
    );
    assert!(Reader::new(&three).vector(3, "x", |reader| reader.u8("y")).is_ok());
    assert!(Reader::new(&three).vector(2, "x", |reader| reader.u8("y")).is_err());
    // An element may not reach beyond its vector.
    let fault = Reader::new(&octets!("03 0102 03 04"))
        .vector(9, "x", |reader| reader.u16("y"))
        .unwrap_err();
    assert_eq!((fault.field, fault.offset), ("y", 3));
    assert!(Reader::new(&octets!("02 c3a9")).text(2, "x").is_ok());
    assert_eq!(Reader::new(&octets!("01 ff")).text(2, "x").unwrap_err().reason, "not valid UTF-8");
}

/// WIRE-6.
#[test]
fn decode_takes_everything_or_nothing() {
    let fault = Opaque::decode(&octets!("01 aa bb cc")).unwrap_err();
    assert_eq!((fault.offset, fault.reason.as_str()), (2, "2 octets after the end"));
    assert_eq!(fault.to_string(), "end at offset 2: 2 octets after the end");
}

#[test]
fn bodies_are_bounded() {
    let body = vec![0; HANDSHAKE_BODY_OCTETS_MAX - 4];
    let mut octets = Opaque(body).encode();
    assert_eq!(octets.len(), HANDSHAKE_BODY_OCTETS_MAX);
    assert!(Opaque::decode(&octets).is_ok());
    octets.push(0);
    assert_eq!(Opaque::decode(&octets).unwrap_err().field, "body");
}

proptest! {
    #[test]
    fn what_is_written_is_read(body: Vec<u8>, numbers in proptest::collection::vec(any::<u32>(), 0..40)) {
        let mut writer = Writer::default();
        writer.opaque(&body);
        writer.vector(&numbers, |writer, number| writer.u32(*number));
        writer.optional_u32(numbers.first().copied());
        let octets = writer.into_octets();
        let mut reader = Reader::new(&octets);
        prop_assert_eq!(reader.opaque(usize::MAX, "x").unwrap(), body);
        prop_assert_eq!(reader.vector(40, "x", |reader| reader.u32("y")).unwrap(), numbers.clone());
        prop_assert_eq!(reader.optional_u32("x").unwrap(), numbers.first().copied());
        prop_assert_eq!(reader.finish(), Ok(()));
    }
}
