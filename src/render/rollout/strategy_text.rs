//! An update strategy in words.

use serde_json::Value;

use crate::render::text::sanitize;

/// `RollingUpdate (maxSurge 0, maxUnavailable 10%)`. Safe text.
pub(super) fn strategy(strategy: &Value) -> String {
    let name = strategy["type"].as_str().unwrap_or("RollingUpdate");
    let value = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let fields = strategy["rollingUpdate"].as_object().filter(|_| name == "RollingUpdate");
    let fields: Vec<String> =
        fields.into_iter().flatten().map(|(field, setting)| format!("{field} {}", value(setting))).collect();
    sanitize(&if fields.is_empty() { name.to_owned() } else { format!("{name} ({})", fields.join(", ")) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn strategy_is_named_with_its_fields() {
        let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "10%"}});
        assert_eq!(strategy(&rolling), "RollingUpdate (maxSurge 0, maxUnavailable 10%)");
        assert_eq!(strategy(&json!({"type": "OnDelete"})), "OnDelete");
        assert_eq!(strategy(&Value::Null), "RollingUpdate");
        assert!(!strategy(&json!({"type": "a\u{1b}[2Jb"})).contains('\u{1b}'));
    }
}
