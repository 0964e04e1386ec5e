//! One value out of a larger one that keeps it to itself, by the way its own serialisation names it.

use serde::Serialize;
use serde::ser::{Impossible, SerializeStruct, Serializer};

type Error = postcard::Error;

/// The postcard form of what `path` leads to: names of fields and of variants that hold one value.
/// `None` where it leads nowhere.
pub(crate) fn pick<T: Serialize + ?Sized>(
    value: &T,
    path: &[&'static str],
) -> Result<Option<Vec<u8>>, Error> {
    match path {
        [] => postcard::to_allocvec(value).map(Some),
        _ => value.serialize(Descent(path)),
    }
}

/// Goes down where the path says and looks at nothing else.
struct Descent<'a>(&'a [&'static str]);

/// A struct on the way.
struct Fields<'a> {
    path: &'a [&'static str],
    found: Option<Vec<u8>>,
}

impl<'a> Descent<'a> {
    fn step<T: Serialize + ?Sized>(self, name: &str, value: &T) -> Result<Option<Vec<u8>>, Error> {
        match self.0 {
            [first, rest @ ..] if *first == name => pick(value, rest),
            _ => Ok(None),
        }
    }
}

impl SerializeStruct for Fields<'_> {
    type Ok = Option<Vec<u8>>;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        if self.found.is_none() {
            self.found = Descent(self.path).step(key, value)?;
        }
        Ok(())
    }

    fn end(self) -> Result<Self::Ok, Error> {
        Ok(self.found)
    }
}

/// Values that lead no further.
macro_rules! ends {
    ($($method:ident($($argument:ty),*)),* $(,)?) => {
        $(fn $method(self, $(_: $argument),*) -> Result<Self::Ok, Error> { Ok(None) })*
    };
}

/// What a path cannot name.
macro_rules! no_way {
    ($($method:ident($($argument:ty),*) -> $compound:ident),* $(,)?) => {
        $(fn $method(self, $(_: $argument),*) -> Result<Self::$compound, Error> {
            Err(Error::SerdeSerCustom)
        })*
    };
}

impl<'a> Serializer for Descent<'a> {
    type Ok = Option<Vec<u8>>;
    type Error = Error;
    type SerializeSeq = Impossible<Self::Ok, Error>;
    type SerializeTuple = Impossible<Self::Ok, Error>;
    type SerializeTupleStruct = Impossible<Self::Ok, Error>;
    type SerializeTupleVariant = Impossible<Self::Ok, Error>;
    type SerializeMap = Impossible<Self::Ok, Error>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Impossible<Self::Ok, Error>;

    ends! {
        serialize_bool(bool), serialize_i8(i8), serialize_i16(i16), serialize_i32(i32),
        serialize_i64(i64), serialize_u8(u8), serialize_u16(u16), serialize_u32(u32),
        serialize_u64(u64), serialize_f32(f32), serialize_f64(f64), serialize_char(char),
        serialize_str(&str), serialize_bytes(&[u8]), serialize_none(), serialize_unit(),
        serialize_unit_struct(&'static str), serialize_unit_variant(&'static str, u32, &'static str),
    }

    no_way! {
        serialize_seq(Option<usize>) -> SerializeSeq,
        serialize_tuple(usize) -> SerializeTuple,
        serialize_tuple_struct(&'static str, usize) -> SerializeTupleStruct,
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> SerializeTupleVariant,
        serialize_map(Option<usize>) -> SerializeMap,
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> SerializeStructVariant,
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Self::Ok, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Self::Ok, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Self::Ok, Error> {
        self.step(variant, value)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields<'a>, Error> {
        Ok(Fields { path: self.0, found: None })
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::pick;

    #[derive(Serialize)]
    struct Outer {
        list: Vec<u8>,
        kind: Kind,
    }

    #[derive(Serialize)]
    enum Kind {
        Nothing,
        Boxed(Box<Inner>),
    }

    #[derive(Serialize)]
    struct Inner {
        number: u32,
    }

    #[test]
    fn a_path_leads_to_one_value() {
        let outer = Outer { list: vec![7], kind: Kind::Boxed(Box::new(Inner { number: 300 })) };
        let number = postcard::to_allocvec(&300_u32).ok();
        assert_eq!(pick(&outer, &["kind", "Boxed", "number"]), Ok(number));
        assert_eq!(pick(&outer, &["list"]), Ok(postcard::to_allocvec(&[7_u8][..]).ok()));
        assert_eq!(pick(&outer, &["kind", "Boxed", "name"]), Ok(None));
        assert_eq!(pick(&outer, &["kind", "Nothing"]), Ok(None));
        assert_eq!(
            pick(&Outer { list: vec![], kind: Kind::Nothing }, &["kind", "Boxed"]),
            Ok(None)
        );
        assert!(pick(&outer, &["list", "0"]).is_err());
    }
}
