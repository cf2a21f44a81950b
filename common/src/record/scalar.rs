//! Scalars: all that a field or map of a record may hold.

use schemars::JsonSchema;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// A scalar as records carry it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// A truth value.
    Bool(bool),
    /// A whole number below 2^53 in magnitude.
    Int(i64),
    /// Any other finite number.
    Float(f64),
    /// Text.
    Text(String),
}

/// By what it is, and not by trying each variant in turn: an attempt that fails writes an error text that nobody reads.
impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Scalar, D::Error> {
        struct Kinds;
        impl Visitor<'_> for Kinds {
            type Value = Scalar;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a truth value, a number or a text")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar::Int(value))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
                Ok(i64::try_from(value).map_or(Scalar::Float(value as f64), Scalar::Int))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar::Float(value))
            }
            fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(value.to_owned()))
            }
        }
        from.deserialize_any(Kinds)
    }
}

impl std::fmt::Display for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scalar::Bool(b) => write!(f, "{b}"),
            Scalar::Int(i) => write!(f, "{i}"),
            Scalar::Float(x) => write!(f, "{x}"),
            Scalar::Text(t) => f.write_str(t),
        }
    }
}

macro_rules! scalar_from {
    ($($ty:ty => $make:expr),* $(,)?) => {$(
        impl From<$ty> for Scalar {
            fn from(value: $ty) -> Scalar { $make(value) }
        }
    )*};
}
scalar_from! {
    bool => Scalar::Bool,
    i64 => whole,
    i32 => |v| Scalar::Int(i64::from(v)),
    u32 => |v| Scalar::Int(i64::from(v)),
    u64 => |v| i64::try_from(v).map_or_else(|_| Scalar::Text(u64::to_string(&v)), whole),
    usize => |v| Scalar::from(v as u64),
    f64 => |v: f64| if v.is_finite() { Scalar::Float(v) } else { Scalar::Text(v.to_string()) },
    String => Scalar::Text,
    &str => |v: &str| Scalar::Text(v.to_owned()),
}

/// Beyond 2^53 JavaScript and jq round, so such a number travels as text.
fn whole(value: i64) -> Scalar {
    if value.unsigned_abs() < 1 << 53 { Scalar::Int(value) } else { Scalar::Text(value.to_string()) }
}

/// Names to scalars, one level deep.
pub type Map = BTreeMap<String, Scalar>;
