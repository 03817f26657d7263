//! Amounts of resources by name, as the API writes them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::Deserializer;

use super::quantity::Quantity;

/// Amounts by the name of their resource.
pub(crate) type ResourceList = BTreeMap<String, Amount>;

/// A quantity as the API writes it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Amount {
    #[prost(string, tag = "1")]
    pub(crate) text: String,
}

impl Amount {
    /// The number. What is no quantity counts as none: the API server lets no such thing pass.
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
