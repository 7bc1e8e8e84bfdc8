//! Path parameters as whatever a handler wants them to be.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use crate::{Error, Request, Result};

pub(super) fn read<S, T: DeserializeOwned>(request: &Request<S>) -> Result<T> {
    let path = request.uri().path();
    let (mut params, read) = (Vec::new(), Cell::new(""));
    for (name, raw) in request.matched().into_iter().flat_map(|matched| matched.params(path)) {
        let Ok(text) = percent_decode_str(raw).decode_utf8() else {
            return Err(
                Error::new(StatusCode::BAD_REQUEST).detail(format!("`{raw}` is not a valid `{name}` in the path"))
            );
        };
        params.push((name, Param { name, text, read: &read }));
    }
    T::deserialize(Route { params }).map_err(|wrong| match wrong {
        Wrong::Value(detail) => {
            Error::new(StatusCode::BAD_REQUEST).detail(format!("in the path: `{}`: {detail}", read.get()))
        }
        Wrong::Shape(_) => {
            let route = request.route().unwrap_or("none");
            let what = std::any::type_name::<T>();
            Error::new(StatusCode::INTERNAL_SERVER_ERROR)
                .caused_by(format!("the parameters of route `{route}` are no `{what}`: {wrong}"))
        }
    })
}

/// What is wrong: a value, which is the client's doing, or what the handler asks for.
#[derive(Debug)]
enum Wrong {
    Value(String),
    Shape(String),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Value(text) | Self::Shape(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for Wrong {}

impl serde::de::Error for Wrong {
    fn custom<M: fmt::Display>(message: M) -> Self {
        Self::Value(message.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Shape(format!("there is no parameter `{field}`"))
    }

    fn invalid_length(length: usize, expected: &dyn serde::de::Expected) -> Self {
        Self::Shape(format!("there are {length}, and expected is {expected}"))
    }
}

/// All parameters of a route.
struct Route<'a> {
    params: Vec<(&'a str, Param<'a>)>,
}

impl<'a> Route<'a> {
    /// What a single value is taken from. Those before it are of the path that its app is nested under.
    fn last(mut self) -> std::result::Result<Param<'a>, Wrong> {
        let last = self.params.pop().map(|(_, param)| param.into_deserializer());
        last.ok_or_else(|| Wrong::Shape("the route has no parameter".to_owned()))
    }
}

macro_rules! of_the_last {
    ($($method:ident),+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, Wrong> {
            self.last()?.$method(visitor)
        }
    )+};
}

impl<'de> Deserializer<'de> for Route<'_> {
    type Error = Wrong;

    of_the_last! {
        deserialize_any, deserialize_bool, deserialize_i8, deserialize_i16, deserialize_i32, deserialize_i64,
        deserialize_i128, deserialize_u8, deserialize_u16, deserialize_u32, deserialize_u64, deserialize_u128,
        deserialize_f32, deserialize_f64, deserialize_char, deserialize_str, deserialize_string, deserialize_bytes,
        deserialize_byte_buf, deserialize_option, deserialize_identifier
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, Wrong> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> std::result::Result<V::Value, Wrong> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> std::result::Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, Wrong> {
        visitor.visit_seq(SeqDeserializer::new(self.params.into_iter().map(|(_, param)| param)))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> std::result::Result<V::Value, Wrong> {
        let Some(first) = self.params.len().checked_sub(length) else {
            return Err(Wrong::Shape(format!("{length} are asked for, and there are {}", self.params.len())));
        };
        let last = self.params.into_iter().skip(first);
        visitor.visit_seq(SeqDeserializer::new(last.map(|(_, param)| param)))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> std::result::Result<V::Value, Wrong> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, Wrong> {
        visitor.visit_map(MapDeserializer::new(self.params.into_iter()))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> std::result::Result<V::Value, Wrong> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> std::result::Result<V::Value, Wrong> {
        self.last()?.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, Wrong> {
        visitor.visit_unit()
    }
}

/// One parameter, decoded.
struct Param<'a> {
    name: &'a str,
    text: Cow<'a, str>,
    /// The name of the one that was read last: if anything is wrong, it is with that one.
    read: &'a Cell<&'a str>,
}

macro_rules! parsed {
    ($($method:ident: $visit:ident as $what:literal),+ $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, Wrong> {
            match self.text.parse() {
                Ok(value) => visitor.$visit(value),
                Err(_) => Err(Wrong::Value(format!(concat!("`{}` is not ", $what), self.text))),
            }
        }
    )+};
}

impl<'de> Deserializer<'de> for Param<'_> {
    type Error = Wrong;

    parsed! {
        deserialize_bool: visit_bool as "true or false",
        deserialize_i8: visit_i8 as "a small integer",
        deserialize_i16: visit_i16 as "a small integer",
        deserialize_i32: visit_i32 as "an integer",
        deserialize_i64: visit_i64 as "an integer",
        deserialize_i128: visit_i128 as "an integer",
        deserialize_u8: visit_u8 as "an integer in 0..=255",
        deserialize_u16: visit_u16 as "an integer in 0..=65535",
        deserialize_u32: visit_u32 as "an integer from 0 on",
        deserialize_u64: visit_u64 as "an integer from 0 on",
        deserialize_u128: visit_u128 as "an integer from 0 on",
        deserialize_f32: visit_f32 as "a number",
        deserialize_f64: visit_f64 as "a number",
        deserialize_char: visit_char as "a single character",
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, Wrong> {
        visitor.visit_string(self.text.into_owned())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, Wrong> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> std::result::Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> std::result::Result<V::Value, Wrong> {
        visitor.visit_enum(self.text.into_deserializer())
    }

    forward_to_deserialize_any! {
        str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Wrong> for Param<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self.read.set(self.name);
        self
    }
}
