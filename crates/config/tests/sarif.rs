//! Findings for other programs: SARIF, and that all three formats say where something was written and where it came from.
#![allow(clippy::unwrap_used)] // a panic is the report

mod common;

use common::{instance, read};
use serde_json::Value;
use std::path::Path;
use vipd_config::diag::Code;
use vipd_config::{Color, Loaded, load, render_sarif, render_text};

fn sarif(loaded: &Loaded) -> Value {
    serde_json::from_str(&render_sarif(loaded, Path::new("/site"))).unwrap()
}

#[test]
fn the_log_has_one_run_with_every_rule() {
    let log = sarif(&read(""));
    assert_eq!(log["version"], "2.1.0");
    assert!(log["$schema"].as_str().unwrap().ends_with("sarif-schema-2.1.0.json"));
    let run = &log["runs"][0];
    assert_eq!(log["runs"].as_array().unwrap().len(), 1);
    assert_eq!(run["tool"]["driver"]["name"], "vipd");
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    assert_eq!(run["originalUriBaseIds"]["SRCROOT"]["uri"], "file:///site/");
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
    assert_eq!(run["results"], Value::Array(Vec::new()));
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), Code::ALL.len());
    for (rule, code) in rules.iter().zip(Code::ALL) {
        assert_eq!(rule["id"], code.id());
        assert_eq!(rule["name"], format!("{code:?}"));
        assert!(!rule["shortDescription"]["text"].as_str().unwrap().is_empty());
        let level = rule["defaultConfiguration"]["level"].as_str().unwrap();
        assert!(matches!(level, "error" | "warning" | "note"), "{level}");
    }
}

#[test]
fn a_result_has_its_rule_its_level_its_words_and_its_region() {
    let loaded = read(&instance("é priorty 100\npriority 5\npriority 6\nvirtual_ipaddress {\n192.0.2.1/24\n}"));
    let log = sarif(&loaded);
    let results = log["runs"][0]["results"].as_array().unwrap();
    let levels: Vec<&str> = results.iter().map(|r| r["level"].as_str().unwrap()).collect();
    assert_eq!(levels, ["error", "warning"]);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(result["ruleId"], Code::ALL[index].id());
    }
    let place = &results[1]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"], serde_json::json!({ "uri": "test.conf", "uriBaseId": "SRCROOT" }));
    assert_eq!(
        place["region"],
        serde_json::json!({
            "startLine": 5, "startColumn": 1, "endLine": 5, "endColumn": 11, "snippet": { "text": "priority 5" }
        })
    );
    assert_eq!(results[1]["message"]["text"], "`priority` is given twice (ignored)");
    let also = &results[1]["relatedLocations"][0];
    assert_eq!((&also["id"], &also["message"]["text"]), (&1.into(), &"this one counts".into()));
    assert_eq!(also["physicalLocation"]["region"]["startLine"], 6);
}

#[test]
fn help_is_a_part_of_the_message() {
    let log = sarif(&read(&instance("priorty 100")));
    let message = &log["runs"][0]["results"][0]["message"];
    let text = "`priorty` is not a keyword of `vrrp_instance`";
    assert_eq!(message["text"], format!("{text}\nhelp: did you mean `priority`?"));
    assert_eq!(message["markdown"], format!("{text}\n\n**help:** did you mean `priority`?"));
    // Nothing that a file says becomes HTML in somebody's browser.
    let log = sarif(&read("<script>\n"));
    let message = &log["runs"][0]["results"][0]["message"];
    assert!(message["text"].as_str().unwrap().contains("<script>") && message.get("markdown").is_none());
    // Braces are doubled, as single ones stand for arguments.
    let log = sarif(&read("}\n"));
    assert!(log["runs"][0]["results"][0]["message"]["text"].as_str().unwrap().starts_with("this `}}` closes nothing"));
}

#[test]
fn what_concerns_no_line_has_no_location() {
    let loaded = load(Path::new("does-not-exist.conf"), &common::options());
    let log = sarif(&loaded);
    let result = &log["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], Code::FileUnusable.id());
    assert!(result.get("locations").is_none());
}

#[test]
fn findings_left_out_are_counted() {
    let log = sarif(&read(&"nonsense here\n".repeat(600)));
    let note = &log["runs"][0]["invocations"][0]["toolExecutionNotifications"][0];
    assert_eq!(note["message"]["text"], "100 further findings are left out");
}

/// Where it was written, where it was expanded and where that was included.
#[test]
fn all_formats_show_the_way_through_definitions_and_includes() {
    let directory = tempfile::tempdir().unwrap();
    let main = directory.path().join("main.conf");
    std::fs::create_dir(directory.path().join("conf d")).unwrap();
    std::fs::write(&main, "include defs.conf\ninclude \"conf d/*.conf\"\ninclude conf?d/*.conf\n").unwrap();
    std::fs::write(directory.path().join("defs.conf"), "# priorities\n$HIGH=300\n").unwrap();
    let text = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\npriority ${HIGH}\nno_virtual_ipaddress\n}\n";
    std::fs::write(directory.path().join("conf d").join("a.conf"), text).unwrap();
    let loaded = load(&main, &common::options());
    let found = loaded.diagnostics.iter().find(|d| d.code == Code::OutOfRange).unwrap();

    let file = |name: &str| directory.path().join(name).display().to_string();
    let said = render_text(&loaded, Color::Never);
    for place in [format!("{}:2:7", file("defs.conf")), format!("{}:4:10", file("conf d/a.conf"))] {
        assert!(said.contains(&place), "{place} in {said}");
    }
    assert!(said.contains("expanded here") && said.contains("included here"), "{said}");

    let json = serde_json::to_value(found).unwrap();
    let places = |related: &Value, file: &dyn Fn(&Value) -> String, line: &dyn Fn(&Value) -> u64| -> Vec<String> {
        related.as_array().unwrap().iter().map(|r| format!("{}:{}", file(r), line(r))).collect()
    };
    let name = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    let in_json = places(&json["related"], &|r| name(r["span"]["file"].as_str().unwrap()), &|r| {
        r["span"]["line"].as_u64().unwrap()
    });
    assert_eq!(in_json, ["a.conf:4", "main.conf:1"]);

    let log: Value = serde_json::from_str(&render_sarif(&loaded, directory.path())).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let result = results.iter().find(|r| r["ruleId"] == Code::OutOfRange.id()).unwrap();
    let place = |r: &Value| r["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap().to_owned();
    let in_sarif = places(&result["relatedLocations"], &place, &|r| {
        r["physicalLocation"]["region"]["startLine"].as_u64().unwrap()
    });
    assert_eq!(in_sarif, ["conf%20d/a.conf:4", "main.conf:1"]);
    assert_eq!(place(&result["locations"][0]), "defs.conf");
}
