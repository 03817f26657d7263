//! Amounts of resources by name, as the API writes them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::Deserializer;

use super::quantity::Quantity;

/// Amounts by resource name.
pub(crate) type ResourceList = BTreeMap<String, Amount>;

/// A quantity with its original text.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub(crate) struct Amount {
    #[prost(string, tag = "1")]
    pub(crate) text: String,
}

impl Amount {
    /// The value. Invalid text counts as zero; the API server accepts none.
    pub(crate) fn quantity(&self) -> Quantity {
        self.text.parse().unwrap_or_default()
    }
}

impl From<Quantity> for Amount {
    fn from(quantity: Quantity) -> Self {
        Self { text: quantity.to_string() }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl serde::de::Visitor<'_> for Written {
            type Value = String;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity")
            }

            fn visit_str<E>(self, text: &str) -> Result<String, E> {
                Ok(text.to_owned())
            }

            fn visit_i64<E>(self, number: i64) -> Result<String, E> {
                Ok(number.to_string())
            }

            fn visit_u64<E>(self, number: u64) -> Result<String, E> {
                Ok(number.to_string())
            }

            fn visit_f64<E>(self, number: f64) -> Result<String, E> {
                Ok(number.to_string())
            }
        }
        deserializer.deserialize_any(Written).map(|text| Self { text })
    }
}
