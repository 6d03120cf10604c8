//! The facts of `vipd config --effective --json`.

use super::{Place, command, item};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// Keywords whose lines are items with a name: each line is a fact.
const LINES: &[&str] = &[
    "virtual_ipaddress",
    "virtual_ipaddress_excluded",
    "static_ipaddress",
    "virtual_routes",
    "static_routes",
    "virtual_rules",
    "static_rules",
    "unicast_peer",
    "track_interface",
    "track_script",
    "track_file",
    "track_process",
    "track_bfd",
    "lines",
];

/// Every fact of a configuration.
pub(super) fn facts(config: &Json) -> BTreeMap<Place, String> {
    let mut facts = BTreeMap::new();
    let Some(config) = config.as_object() else { return facts };
    for (keyword, value) in config {
        match (keyword.as_str(), value) {
            ("interface_up_down_delays", Json::Array(lines)) => {
                for line in lines {
                    let block = format!("{keyword} {}", text(&line["interface"]));
                    settings(&mut facts, &block, line);
                }
            }
            ("virtual_server", Json::Array(services)) => services.iter().for_each(|s| service(&mut facts, s)),
            ("garp_group", Json::Array(groups)) => {
                for (i, group) in groups.iter().enumerate() {
                    settings(&mut facts, &format!("garp_group {}", i + 1), group);
                }
            }
            (_, Json::Array(blocks))
                if !LINES.contains(&keyword.as_str()) || blocks.iter().any(|b| b.get("name").is_some()) =>
            {
                for block in blocks {
                    settings(&mut facts, &format!("{keyword} {}", text(&block["name"])), block);
                }
            }
            (_, Json::Object(_)) => settings(&mut facts, keyword, value),
            _ => setting(&mut facts, "", keyword, value),
        }
    }
    facts
}

fn service(facts: &mut BTreeMap<Place, String>, service: &Json) {
    let name = match (&service["fwmark"], &service["group"]) {
        (Json::Number(mark), _) => format!("fwmark {mark}"),
        (_, Json::String(group)) => format!("group {group}"),
        _ => format!("{} {}", text(&service["address"]), service["port"]),
    };
    let block = format!("virtual_server {name}");
    settings(facts, &block, service);
    for server in service["real_server"].as_array().into_iter().flatten() {
        let block = format!("{block} / real_server {} {}", text(&server["address"]), server["port"]);
        settings(facts, &block, server);
        for (kind, checks) in
            server.as_object().into_iter().flatten().filter(|(k, _)| k.ends_with("CHECK") || k.ends_with("GET"))
        {
            for (i, check) in checks.as_array().into_iter().flatten().enumerate() {
                let block = format!("{block} / {kind} {i}");
                settings(facts, &block, check);
                for (i, url) in check["url"].as_array().into_iter().flatten().enumerate() {
                    settings(facts, &format!("{block} / url {i}"), url);
                }
            }
        }
    }
}

fn settings(facts: &mut BTreeMap<Place, String>, block: &str, settings: &Json) {
    for (keyword, value) in settings.as_object().into_iter().flatten() {
        setting(facts, block, keyword, value);
    }
}

fn setting(facts: &mut BTreeMap<Place, String>, block: &str, keyword: &str, value: &Json) {
    let mut fact = |name: String, value: String| drop(facts.insert((block.to_owned(), name), value));
    match value {
        Json::Array(lines) if LINES.contains(&keyword) => {
            for (i, line) in lines.iter().enumerate() {
                fact(format!("{keyword}.{i}"), of_line(line));
            }
        }
        Json::Array(words) if words.iter().all(|w| !w.is_object()) => {
            fact(keyword.to_owned(), words.iter().map(text).collect::<Vec<_>>().join(" "));
        }
        Json::Array(_) => {}
        Json::Object(map) if map.contains_key("command") => fact(keyword.to_owned(), command(&text(&map["command"]))),
        Json::Object(map) if map.contains_key("method") => fact(keyword.to_owned(), method(map)),
        Json::Object(map) if map.contains_key("weight") => {
            let reverse = if map["reverse"] == true { " reverse" } else { "" };
            fact(keyword.to_owned(), format!("{}{reverse}", map["weight"]));
        }
        Json::Object(map) => map.iter().for_each(|(name, value)| fact(format!("{keyword}.{name}"), text(value))),
        value => fact(keyword.to_owned(), text(value)),
    }
}

/// `TUN type=gue port=6080 csum`
fn method(map: &Map<String, Json>) -> String {
    let mut words = vec![text(&map["method"])];
    words.extend(["type", "port"].iter().filter_map(|name| Some(format!("{name}={}", text(map.get(*name)?)))));
    words.extend(map.get("checksum").map(text).filter(|sum| sum != "nocsum"));
    words.join(" ")
}

fn of_line(line: &Json) -> String {
    let mut values = BTreeMap::new();
    for (name, value) in line.as_object().into_iter().flatten() {
        let name = match name.as_str() {
            "interface" => "name",
            "brd" => "broadcast",
            name => name,
        };
        match value {
            Json::Array(hops) => {
                for (i, hop) in hops.iter().enumerate() {
                    for (inner, value) in hop.as_object().into_iter().flatten() {
                        values.insert(format!("{name}.{i}.{inner}"), text(value));
                    }
                }
            }
            _ if name == "noreverse" => {}
            // keepalived tells another one alone.
            Json::String(forever) if name == "preferred_lft" && forever == "forever" => {}
            // `192.0.2.9-12`
            Json::String(range) if name == "address" && range.contains('-') && !range.contains(':') => {
                let (start, end) = range.split_once('-').unwrap_or_default();
                let network = start.rsplit_once('.').map_or("", |(network, _)| network);
                let end = if end.contains('.') { end.to_owned() } else { format!("{network}.{end}") };
                values.insert(name.to_owned(), format!("{start}-{end}"));
            }
            value => drop(values.insert(name.to_owned(), text(value))),
        }
    }
    item(values)
}

fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Bool(on) => if *on { "yes" } else { "no" }.to_owned(),
        other => other.to_string(),
    }
}
