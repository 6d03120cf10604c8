//! A checker of what the schema of the language uses of JSON Schema's draft 2020-12; it fails on anything else.

use serde_json::{Value, json};

/// What of a value does not fit, with its place; empty if it fits.
fn misfits(schema: &Value, root: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut tell = |what: String| found.push(format!("{at}: {what}"));
    let of = |inner: &Value, value: &Value, at: String| misfits(inner, root, value, &at);
    let mut inner = Vec::new();
    for (word, rule) in schema.as_object().unwrap() {
        let number = value.as_f64();
        let text = value.as_str();
        match word.as_str() {
            "$schema" | "$defs" | "title" | "description" => {}
            "format" => assert!(rule == "ipv4" || rule == "ipv6"),
            "$ref" => {
                let to = rule.as_str().unwrap().strip_prefix('#').unwrap();
                inner.extend(of(root.pointer(to).unwrap(), value, at.to_owned()));
            }
            "type" => {
                let fits = match rule.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "number" => value.is_number(),
                    other => panic!("type {other}"),
                };
                if !fits {
                    tell(format!("{value} is no {rule}"));
                }
            }
            "const" if value != rule => tell(format!("{value} is not {rule}")),
            "enum" if !rule.as_array().unwrap().contains(value) => tell(format!("{value} is none of {rule}")),
            "minimum" if number.is_some_and(|n| n < rule.as_f64().unwrap()) => tell(format!("{value} < {rule}")),
            "maximum" if number.is_some_and(|n| n > rule.as_f64().unwrap()) => tell(format!("{value} > {rule}")),
            "minLength" if text.is_some_and(|t| (t.len() as u64) < rule.as_u64().unwrap()) => tell("too short".into()),
            "maxLength" if text.is_some_and(|t| t.len() as u64 > rule.as_u64().unwrap()) => tell("too long".into()),
            "minItems" if value.as_array().is_some_and(|a| (a.len() as u64) < rule.as_u64().unwrap()) => {
                tell("too few".into());
            }
            "maxItems" if value.as_array().is_some_and(|a| a.len() as u64 > rule.as_u64().unwrap()) => {
                tell("too many".into());
            }
            "pattern" => {
                // `^[SET]*$` or `^[SET]{N}$`
                let rule = rule.as_str().unwrap().strip_prefix("^[").unwrap();
                let (set, times) = rule.split_once(']').unwrap();
                let set = set.replace("0-9", "0123456789").replace("a-f", "abcdef").replace("A-F", "ABCDEF");
                let length: Option<usize> = times.trim_matches(['*', '{', '}', '$']).parse().ok();
                if text.is_some_and(|t| !t.chars().all(|c| set.contains(c)) || length.is_some_and(|l| l != t.len())) {
                    tell(format!("{value} does not match"));
                }
            }
            "required" => {
                for name in rule.as_array().unwrap().iter().filter_map(Value::as_str) {
                    if value.is_object() && value.get(name).is_none() {
                        tell(format!("{name} is missing"));
                    }
                }
            }
            "properties" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    match rule.get(name) {
                        Some(rule) => inner.extend(of(rule, value, format!("{at}/{name}"))),
                        None => assert_eq!(schema["additionalProperties"], json!(false)),
                    }
                }
            }
            "additionalProperties" => {
                assert_eq!(rule, &json!(false));
                for name in value.as_object().into_iter().flatten().map(|(name, _)| name) {
                    if schema["properties"].get(name).is_none() {
                        tell(format!("there is no {name}"));
                    }
                }
            }
            "items" => {
                for (i, value) in value.as_array().into_iter().flatten().enumerate() {
                    inner.extend(of(rule, value, format!("{at}/{i}")));
                }
            }
            "anyOf" => {
                let fits = |rule: &Value| of(rule, value, at.to_owned()).is_empty();
                if !rule.as_array().unwrap().iter().any(fits) {
                    tell(format!("{value} fits none of {rule}"));
                }
            }
            "const" | "enum" | "minimum" | "maximum" | "minLength" | "maxLength" | "minItems" | "maxItems" => {}
            other => panic!("the checker doesn't know {other}"),
        }
    }
    found.extend(inner);
    found
}

fn schema() -> &'static Value {
    static SCHEMA: std::sync::OnceLock<Value> = std::sync::OnceLock::new();
    SCHEMA.get_or_init(|| serde_json::from_str(&vipd_config::schema::schema()).unwrap())
}

/// Where a value does not fit the schema of the language.
pub(crate) fn fits(value: &Value) -> Vec<String> {
    let schema = schema();
    misfits(schema, schema, value, "")
}
