//! JSON values with their place in the form, so that whoever wrote it is told where it is wrong.

use mimi_wire::MimiUri;
use mimi_wire::room::preauth::Claim;
use serde_json::{Map, Value};

use super::Malformed;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Field<'a> {
    value: &'a Value,
    place: String,
}

/// An object, its fields known by name.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    place: String,
}

impl<'a> Field<'a> {
    pub(super) fn value(&self) -> &'a Value {
        self.value
    }

    /// This is what is wrong.
    pub(super) fn wrong(&self, message: impl Into<String>) -> Malformed {
        Malformed::new(self.place.clone(), message)
    }

    pub(super) fn text(&self) -> Result<&'a str, Malformed> {
        self.value.as_str().ok_or_else(|| self.wrong("must be a string"))
    }

    pub(super) fn flag(&self) -> Result<bool, Malformed> {
        self.value.as_bool().ok_or_else(|| self.wrong("must be true or false"))
    }

    pub(super) fn number(&self) -> Result<u32, Malformed> {
        let number = self.value.as_u64().and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| self.wrong("must be a number from 0 to 4294967295"))
    }

    pub(super) fn code(&self) -> Result<u16, Malformed> {
        let number = self.value.as_u64().and_then(|number| u16::try_from(number).ok());
        number.ok_or_else(|| self.wrong("must be a number from 0 to 65535"))
    }

    /// A user, by name or pseudonym.
    pub(super) fn user(&self) -> Result<MimiUri, Malformed> {
        let uri = MimiUri::new(self.text()?).map_err(|error| self.wrong(error.to_string()))?;
        match uri.is_user() {
            true => Ok(uri),
            false => Err(self.wrong("must be the URI of a user, such as mimi://a.example/u/alice")),
        }
    }

    pub(super) fn items(&self) -> Result<impl Iterator<Item = Self> + use<'a>, Malformed> {
        let items = self.value.as_array().ok_or_else(|| self.wrong("must be a list"))?;
        let place = self.place.clone();
        Ok(items
            .iter()
            .enumerate()
            .map(move |(number, value)| Self { value, place: format!("{place}[{number}]") }))
    }

    pub(super) fn list<T>(
        &self,
        read: impl Fn(Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        self.items()?.map(read).collect()
    }

    pub(super) fn fields(&self, known: &[&str]) -> Result<Fields<'a>, Malformed> {
        Fields::of(self.value, &self.place, known)
    }

    /// `{"credential_type","id","value"}`
    pub(super) fn claim(self) -> Result<Claim, Malformed> {
        let fields = self.fields(&["credential_type", "id", "value"])?;
        let octets = |field: Option<Field<'_>>| match field {
            Some(field) => Ok(field.text()?.as_bytes().to_vec()),
            None => Ok(Vec::new()),
        };
        Ok(Claim {
            credential_type: fields.required("credential_type")?.code()?,
            id: octets(fields.optional("id"))?,
            claim_value: octets(Some(fields.required("value")?))?,
        })
    }
}

impl<'a> Fields<'a> {
    /// An object that has these fields and no others. What is unknown is told before what is wrong.
    pub(super) fn of(value: &'a Value, place: &str, known: &[&str]) -> Result<Self, Malformed> {
        let Some(object) = value.as_object() else {
            return Err(Malformed::new(place, "must be an object"));
        };
        let fields = Self { object, place: place.to_owned() };
        match object.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => {
                let message = format!("is no field here; there are {}", known.join(", "));
                Err(Malformed::new(fields.place_of(key), message))
            }
            None => Ok(fields),
        }
    }

    fn place_of(&self, name: &str) -> String {
        match self.place.is_empty() {
            true => name.to_owned(),
            false => format!("{}.{name}", self.place),
        }
    }

    /// A field; `null` says as much as absence does.
    pub(super) fn optional(&self, name: &str) -> Option<Field<'a>> {
        self.present(name).filter(|field| !field.value.is_null())
    }

    /// A field whose mere presence says something.
    pub(super) fn present(&self, name: &str) -> Option<Field<'a>> {
        self.object.get(name).map(|value| Field { value, place: self.place_of(name) })
    }

    pub(super) fn required(&self, name: &str) -> Result<Field<'a>, Malformed> {
        self.optional(name).ok_or_else(|| Malformed::new(self.place_of(name), "is missing"))
    }

    /// What a field says, or what its absence means.
    pub(super) fn read<T>(
        &self,
        name: &str,
        absent: T,
        read: impl FnOnce(Field<'a>) -> Result<T, Malformed>,
    ) -> Result<T, Malformed> {
        self.optional(name).map_or(Ok(absent), read)
    }

    pub(super) fn number(&self, name: &str) -> Result<u32, Malformed> {
        self.read(name, 0, |field| field.number())
    }

    pub(super) fn flag(&self, name: &str, absent: bool) -> Result<bool, Malformed> {
        self.read(name, absent, |field| field.flag())
    }

    pub(super) fn optional_number(&self, name: &str) -> Result<Option<u32>, Malformed> {
        self.read(name, None, |field| field.number().map(Some))
    }

    pub(super) fn list<T>(
        &self,
        name: &str,
        read: impl Fn(Field<'a>) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        self.read(name, Vec::new(), |field| field.list(read))
    }
}
