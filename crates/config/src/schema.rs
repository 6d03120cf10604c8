//! The JSON Schema (draft 2020-12) of what `vipd config --json` prints, made from the keyword table: what each word takes,
//! its range, what it is for.

use crate::doc;
use crate::keyword::{Args, Block, ENCAP, Family, Form, Keyword, NEXTHOP, ROOT, Standing, options_of};
use crate::setting::{Count, count};
use serde_json::{Map, Value as Json, json};

/// Blocks whose lines are names alone.
const NAMES: &[&str] = &["group", "interfaces", "notification_email"];

/// The schema, as text.
pub fn schema() -> String {
    let mut made = Made::default();
    let mut root = made.object(&ROOT, Map::new());
    for (name, value) in [
        ("$schema", "https://json-schema.org/draft/2020-12/schema"),
        ("title", "keepalived.conf as JSON"),
        ("description", "What `vipd config FILE --json` prints, made from the keyword table by `make docs`."),
    ] {
        root.insert(name.to_owned(), json!(value));
    }
    root.insert("$defs".to_owned(), Json::Object(made.blocks));
    format!("{:#}\n", Json::Object(root))
}

/// The blocks so far, by their paths.
#[derive(Default)]
struct Made {
    blocks: Map<String, Json>,
}

impl Made {
    /// An object with the keywords of a block and what is known of its head.
    fn object(&mut self, block: &'static Block, head: Map<String, Json>) -> Map<String, Json> {
        let mut properties = head;
        let required: Vec<String> = properties.keys().filter(|name| *name == "name").cloned().collect();
        for row in block.rows() {
            let other = matches!(row.standing, Standing::SameAs(_) | Standing::OldName(_));
            if !other && !row.name.starts_with('(') {
                properties.insert(row.name.to_owned(), described(self.keyword(block, row), row));
            }
        }
        let mut map = closed(properties);
        if !required.is_empty() {
            map.insert("required".to_owned(), json!(required));
        }
        map
    }

    /// A keyword with all that it may come with.
    fn keyword(&mut self, block: &'static Block, row: &'static Keyword) -> Json {
        let value = match row.args {
            Args::Block(inner) => self.reference(inner, Map::new()),
            Args::NamedBlock(inner) => self.reference(inner, pairs(&[("name", json!({ "type": "string" }))])),
            Args::HeadedBlock(inner) => self.reference(inner, head()),
            Args::Lines(inner) => return json!({ "type": "array", "items": self.line(row.name, inner) }),
            Args::NamedLines(inner) => {
                let lines = json!({ "type": "array", "items": self.line(row.name, inner) });
                let mut map = closed(pairs(&[("name", json!({ "type": "string" })), ("lines", lines)]));
                map.insert("required".to_owned(), json!(["lines", "name"]));
                Json::Object(map)
            }
            _ => value(block, row),
        };
        match count(block, row.name) {
            Count::One => value,
            Count::Many => json!({ "type": "array", "items": value }),
        }
    }

    fn reference(&mut self, block: &'static Block, head: Map<String, Json>) -> Json {
        let name = block.path.replace('/', ".");
        if !self.blocks.contains_key(&name) {
            // The name first: a block may stand within itself one day.
            self.blocks.insert(name.clone(), Json::Null);
            let object = self.object(block, head);
            self.blocks.insert(name.clone(), Json::Object(object));
        }
        json!({ "$ref": format!("#/$defs/{name}") })
    }

    /// One line of a value block.
    fn line(&mut self, keyword: &str, block: &'static Block) -> Json {
        if NAMES.contains(&keyword) {
            return json!({ "type": "string" });
        }
        let name = format!("{}:line", block.path.replace('/', "."));
        if !self.blocks.contains_key(&name) {
            let mut properties = rows(block);
            match keyword {
                "interface_up_down_delays" => {
                    let delay = json!({ "type": "number", "minimum": 0, "maximum": 255 });
                    properties.extend(pairs(&[("down", delay.clone()), ("up", delay)]));
                }
                "virtual_server_group" => {
                    properties.retain(|name, _| name == "fwmark");
                    let port = json!({ "type": "integer", "minimum": 0, "maximum": 65_535 });
                    let family = json!({ "enum": ["inet", "inet6"] });
                    let mark = json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX });
                    let address = json!({ "type": "string" });
                    properties.extend(pairs(&[
                        ("address", address),
                        ("port", port),
                        ("fwmark", mark),
                        ("family", family),
                    ]));
                }
                "static_routes" | "virtual_routes" => {
                    let encap = Json::Object(closed(rows(&ENCAP)));
                    let mut hop = rows(&NEXTHOP);
                    hop.insert("encap".to_owned(), encap.clone());
                    let hops = json!({ "type": "array", "items": Json::Object(closed(hop)) });
                    properties.extend(pairs(&[("encap", encap), ("nexthop", hops)]));
                }
                "heartbeat_paths" => {
                    let peer = properties.remove("peer").unwrap_or_default();
                    properties.extend(pairs(&[("peer", json!({ "type": "array", "items": peer }))]));
                }
                _ => {}
            }
            self.blocks.insert(name.clone(), Json::Object(closed(properties)));
        }
        json!({ "$ref": format!("#/$defs/{name}") })
    }
}

fn pairs(pairs: &[(&str, Json)]) -> Map<String, Json> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

/// An object that has these and nothing else.
fn closed(properties: Map<String, Json>) -> Map<String, Json> {
    pairs(&[
        ("type", json!("object")),
        ("properties", Json::Object(properties)),
        ("additionalProperties", json!(false)),
    ])
}

/// The words of a line or of options, each with its value.
fn rows(block: &'static Block) -> Map<String, Json> {
    let mut properties = Map::new();
    for row in block.rows() {
        let value = match row.args {
            // `reverse` is a word by itself there.
            Args::Weight(low, high) => json!({ "type": "integer", "minimum": low, "maximum": high }),
            Args::Custom if row.name == "weight" => json!({ "type": "integer", "minimum": -254, "maximum": 254 }),
            Args::Custom => json!({ "type": "string" }),
            _ => value(block, row),
        };
        let value = if row.usage.contains("[lock]") {
            let locked = closed(pairs(&[("lock", json!({ "const": true })), ("value", value.clone())]));
            json!({ "anyOf": [value, Json::Object(locked)] })
        } else {
            value
        };
        properties.insert(row.name.trim_matches(['(', ')']).to_owned(), described(value, row));
    }
    properties
}

/// What a virtual or real server is for.
fn head() -> Map<String, Json> {
    pairs(&[
        ("address", json!({ "type": "string" })),
        ("port", json!({ "type": "integer", "minimum": 0, "maximum": 65_535 })),
        ("fwmark", json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })),
        ("group", json!({ "type": "string" })),
    ])
}

fn described(mut value: Json, row: &Keyword) -> Json {
    let mut text = row.doc.to_owned();
    for (name, what) in [("Range", row.range), ("Default", row.default)] {
        if !what.is_empty() && what != "flag" {
            text.push_str(&format!(" {name}: {what}."));
        }
    }
    if let Some(says) = doc::standing(row.standing) {
        text.push_str(&format!(" {says}"));
    }
    if let Json::Object(map) = &mut value {
        map.insert("description".to_owned(), json!(text));
    }
    value
}

/// What a keyword takes.
fn value(block: &Block, row: &Keyword) -> Json {
    let words = |least: usize, item: Json| json!({ "type": "array", "items": item, "minItems": least });
    let text = || json!({ "type": "string" });
    // Nothing behind the keyword is `true`.
    let or_nothing = |value: Json| json!({ "anyOf": [value, { "const": true }] });
    let command = || {
        let mut map = closed(pairs(&[("command", text()), ("user", text()), ("group", text())]));
        map.insert("required".to_owned(), json!(["command"]));
        Json::Object(map)
    };
    match row.args {
        Args::Flag | Args::Switch => json!({ "type": "boolean" }),
        Args::Int(low, high) => json!({ "type": "integer", "minimum": low, "maximum": high }),
        Args::OptInt(low, high) => or_nothing(json!({ "type": "integer", "minimum": low, "maximum": high })),
        Args::Seconds(low, high) => number(low, high, 1_000_000),
        Args::Millis(low, high) => number(low, high, 1),
        Args::Weight(low, high) => {
            let weight = json!({ "type": "integer", "minimum": low, "maximum": high });
            Json::Object(closed(pairs(&[("weight", weight), ("reverse", json!({ "type": "boolean" }))])))
        }
        Args::Word | Args::Secret | Args::Regex => json!({ "type": "string", "minLength": 1 }),
        Args::OptWord => or_nothing(text()),
        Args::Device => json!({ "type": "string", "minLength": 1, "maxLength": 15 }),
        Args::Form(form) => of_form(form),
        Args::OptForm(form) => or_nothing(of_form(form)),
        Args::Ints(most, low, high) => {
            let item = json!({ "type": "integer", "minimum": low, "maximum": high });
            json!({ "type": "array", "items": item, "minItems": 1, "maxItems": most })
        }
        Args::Names(most, bytes) => {
            let item = json!({ "type": "string", "minLength": 1, "maxLength": bytes });
            or_nothing(json!({ "type": "array", "items": item, "maxItems": most }))
        }
        Args::Mask(_) => json!({ "type": "integer", "minimum": 0, "maximum": 0o777 }),
        Args::Hex => json!({ "type": "string", "pattern": "^[0-9a-f]*$" }),
        Args::HexPattern => or_nothing(json!({ "type": "string", "pattern": "^[0-9a-fx]*$" })),
        Args::Key => {
            let id = json!({ "type": "integer", "minimum": 1, "maximum": 255 });
            Json::Object(closed(pairs(&[("id", id), ("key", text())])))
        }
        Args::Words(..) if row.name == "sorry_server" => Json::Object(closed(head())),
        Args::Words(..) if row.name == "smtp_server" => {
            let port = json!({ "type": "integer", "minimum": 0, "maximum": 65_535 });
            Json::Object(closed(pairs(&[("host", text()), ("port", port)])))
        }
        Args::Words(least, _) => words(least, text()),
        Args::EachOf(set) => words(1, json!({ "enum": set })),
        Args::OneOf(set) | Args::OneOfIgnoreCase(set) => json!({ "enum": set }),
        Args::OptOneOf(set) => or_nothing(json!({ "enum": set })),
        Args::Ip(Family::V4) => json!({ "type": "string", "format": "ipv4" }),
        Args::Ip(Family::V6) => json!({ "type": "string", "format": "ipv6" }),
        Args::Ip(Family::Any) | Args::Prefix => text(),
        Args::Script | Args::Program => command(),
        Args::OptScript => or_nothing(command()),
        Args::User => words(1, text()),
        Args::Options(_) => options(block, row),
        Args::Custom => match row.name {
            "lvs_method" | "sorry_server_lvs_method" => {
                let port = json!({ "type": "integer", "minimum": 1, "maximum": 65_535 });
                Json::Object(closed(pairs(&[
                    ("method", json!({ "enum": ["NAT", "DR", "TUN"] })),
                    ("type", json!({ "enum": ["ipip", "gue", "gre"] })),
                    ("port", port),
                    ("checksum", json!({ "enum": ["nocsum", "csum", "remcsum"] })),
                ])))
            }
            "lvs_timeouts" => options(block, row),
            _ => words(0, text()),
        },
        Args::Block(_) | Args::NamedBlock(_) | Args::HeadedBlock(_) | Args::Lines(_) | Args::NamedLines(_) => json!({}),
    }
}

fn options(block: &Block, row: &Keyword) -> Json {
    options_of(block.path, row.name).map_or_else(|| json!({}), |of| Json::Object(closed(rows(of))))
}

/// A number of a unit that has so many parts; the bounds are in parts.
fn number(low: u64, high: u64, parts: u64) -> Json {
    let bound = |n: u64| if n.is_multiple_of(parts) { json!(n / parts) } else { json!(n as f64 / parts as f64) };
    json!({ "type": "number", "minimum": bound(low), "maximum": bound(high) })
}

fn of_form(form: Form) -> Json {
    let text = || json!({ "type": "string" });
    match form {
        Form::Named(least, most) => {
            json!({ "anyOf": [{ "type": "integer", "minimum": least, "maximum": most }, text()] })
        }
        Form::Number(most) => json!({ "type": "integer", "minimum": 0, "maximum": most }),
        Form::Lifetime => {
            json!({ "anyOf": [{ "type": "integer", "minimum": 0, "maximum": u32::MAX }, { "const": "forever" }] })
        }
        Form::Text(most) => json!({ "type": "string", "minLength": 1, "maxLength": most }),
        Form::Hash => json!({ "type": "string", "pattern": "^[0-9a-fA-F]{32}$" }),
        Form::Mac
        | Form::Range(..)
        | Form::Mark
        | Form::Realms
        | Form::RoundTrip
        | Form::Labels
        | Form::Locator
        | Form::Domain
        | Form::Broadcast => text(),
    }
}
