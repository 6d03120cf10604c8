//! `SSL`, and what `SSL_GET` is told of certificates.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::{PEM, config, found, said};
use std::path::Path;
use vipd_config::changes::changes;
use vipd_config::effective::effective;
use vipd_config::setting;
use vipd_lvs::settings::{Authorities, HttpProbe, Probe};

fn service(lines: &str) -> String {
    format!(
        "virtual_server 192.0.2.1 443 {{\nprotocol TCP\nreal_server 10.0.0.1 443 {{\nSSL_GET {{\n{lines}\nurl {{\npath /\nstatus_code 200\n}}\n}}\n}}\n}}\n"
    )
}

fn probe(text: &str) -> HttpProbe {
    match &config(text).services[0].lvs.real_servers[0].checkers[0].probe {
        Probe::Http(http) => HttpProbe::clone(http),
        other => panic!("{other:?}"),
    }
}

/// A file with a certificate and a key, one with each alone, and others.
fn files() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = PEM.split_at(PEM.find("-----BEGIN PRIVATE").unwrap());
    for (name, text) in [
        ("both.pem", PEM),
        ("cert.pem", certificate),
        ("key.pem", key),
        ("old.pem", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nAA==\n-----END RSA PRIVATE KEY-----\n"),
        ("locked.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n"),
        ("none.pem", "hello\n"),
        ("other.key", include_str!("common/other.key")),
        ("cut.pem", &certificate[..certificate.len() - 60]),
        ("garbled.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"),
    ] {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    directory
}

fn ssl(lines: &str, directory: &Path) -> String {
    format!("SSL {{\n{}\n}}\n", lines.replace("@", &format!("{}/", directory.display())))
}

#[test]
fn a_client_has_a_certificate_and_its_key() {
    let files = files();
    let tls = |lines: &str| config(&ssl(lines, files.path())).tls;
    assert_eq!(tls("").identity, None);
    let two = tls("certificate @cert.pem\nkey @key.pem").identity.unwrap();
    assert!(two.certificates.contains("BEGIN CERTIFICATE") && two.key.0.contains("BEGIN PRIVATE KEY"));
    assert!(tls("certificate @both.pem").identity.is_some(), "the key may be in the same file");
    assert_eq!(tls("ca @cert.pem").ca, Some(files.path().join("cert.pem")));
    // What is printed of it is not the key.
    assert!(!format!("{two:?}").contains("PRIVATE KEY"));
}

#[test]
fn files_that_are_not_what_they_should_be_are_told() {
    let files = files();
    for (lines, code, says) in [
        ("certificate @absent.pem", "V0608:2", "No such file"),
        ("certificate @none.pem", "V0608:2", "it has no BEGIN CERTIFICATE"),
        ("certificate @cert.pem", "V0608:2", "it has no BEGIN PRIVATE KEY"),
        ("certificate @cert.pem\nkey @none.pem", "V0608:3", "it has no BEGIN PRIVATE KEY"),
        ("certificate @cert.pem\nkey @locked.pem", "V0608:3", "its `password` is missing"),
        ("certificate @cert.pem\nkey @locked.pem\npassword x", "V0608:3", "it is no encrypted key"),
        ("certificate @cert.pem\nkey @old.pem", "V0608:3", "openssl pkcs8 -topk8 -in KEY -out FILE"),
        ("certificate @cert.pem\nkey @key.pem\npassword x", "V0409:4", "`password` opens nothing"),
        ("password x", "V0409:2", "`password` has no effect without `certificate`"),
        ("key @key.pem", "V0409:2", "no effect without `certificate`"),
        ("ca @none.pem", "V0608:2", "it has no BEGIN CERTIFICATE"),
        ("certificate @", "V0608:2", "it is no regular file"),
        ("certificate @cert.pem\nkey @other.key", "V0608:2", "the key is not that of the certificate"),
        ("ca @cut.pem", "V0608:2", "it ends in the middle of a certificate"),
        ("ca @garbled.pem", "V0608:2", "it is not in PEM form"),
    ] {
        let text = ssl(lines, files.path());
        let found: Vec<String> =
            found(&text).into_iter().filter(|code| !code.starts_with("V0608:2") || code == "V0608:2").collect();
        assert!(found.contains(&code.to_owned()), "{lines}: {found:?}");
        assert!(said(&text).contains(says), "{lines}: {}", said(&text));
    }
    let open = files.path().join("key.pem");
    std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert!(said(&ssl("certificate @cert.pem\nkey @key.pem", files.path())).contains("chmod 600"));
}

/// A key that OpenSSL itself has encrypted in this way.
fn locked(directory: &Path, how: &[&str]) -> String {
    let name = format!("{}.pem", how.join("").replace('-', ""));
    let (from, to) = (directory.join("key.pem"), directory.join(&name));
    let mut command = std::process::Command::new("openssl");
    command.args(["pkcs8", "-topk8", "-passout", "pass:s3 cret"]).args(how);
    let made = command.arg("-in").arg(from).arg("-out").arg(&to).output().unwrap();
    assert!(made.status.success(), "{how:?}: {}", String::from_utf8_lossy(&made.stderr));
    std::fs::set_permissions(&to, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    name
}

#[test]
fn a_key_may_be_encrypted() {
    let files = files();
    let plain = config(&ssl("certificate @cert.pem\nkey @key.pem", files.path())).tls.identity.unwrap();
    for how in [
        &["-v2", "aes-256-cbc"][..],
        &["-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA1"],
        &["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512"],
        &["-v2", "des3"],
        &["-scrypt"],
    ] {
        let name = locked(files.path(), how);
        let text = |password: &str| ssl(&format!("certificate @cert.pem\nkey @{name}\n{password}"), files.path());
        let opened = config(&text("password \"s3 cret\"")).tls.identity.unwrap();
        assert_eq!(der(&opened.key.0), der(&plain.key.0), "{how:?}");
        assert_eq!(found(&text("password \"s3 cret\"")), Vec::<String>::new());
        assert!(!format!("{opened:?}").contains("PRIVATE KEY"));
        assert!(
            said(&text("password s3cret")).contains("`password` does not open it"),
            "{}",
            said(&text("password s3cret"))
        );
        assert!(said(&text("")).contains("its `password` is missing"));
    }
    // With its certificate in one file; and one that is encrypted in a way of old.
    let both = files.path().join("together.pem");
    let certificate = std::fs::read_to_string(files.path().join("cert.pem")).unwrap();
    let key = std::fs::read_to_string(files.path().join(locked(files.path(), &["-v2", "des3"]))).unwrap();
    std::fs::write(&both, certificate + &key.replace('\n', "\r\n")).unwrap();
    let text = ssl("certificate @together.pem\npassword \"s3 cret\"", files.path());
    assert_eq!(der(&config(&text).tls.identity.unwrap().key.0), der(&plain.key.0));
    let name = locked(files.path(), &["-v1", "PBE-SHA1-3DES"]);
    let text = ssl(&format!("certificate @cert.pem\nkey @{name}\npassword \"s3 cret\""), files.path());
    assert!(said(&text).contains("-v2 aes-256-cbc"), "{}", said(&text));
}

/// What is in a text in PEM form, without its lines.
fn der(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with('-')).collect()
}

#[test]
fn another_certificate_is_a_change() {
    let files = files();
    let old = ssl("certificate @both.pem", files.path());
    let changed = |new: &str| changes(&config(&old), &config(new)).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(changed(&old), Vec::<String>::new());
    assert_eq!(changed(""), ["changed SSL: certificate"]);
    let before = config(&old);
    std::fs::write(files.path().join("both.pem"), format!("# written anew\n{PEM}")).unwrap();
    let after: Vec<String> = changes(&before, &config(&old)).iter().map(ToString::to_string).collect();
    assert_eq!(after, ["changed SSL: certificate"], "the file was written anew");
}

#[test]
fn what_is_asked_of_a_certificate() {
    let files = files();
    let tls = |lines: &str| probe(&service(lines)).tls.unwrap();
    assert_eq!((tls("").verify, tls("").expiry_warning), (None, None));
    assert_eq!(tls("tls_verify").verify, Some(Authorities::Usual));
    let file = files.path().join("cert.pem").display().to_string();
    let lines = format!("tls_verify {file}\ntls_expiry_warning 14");
    assert_eq!(tls(&lines).verify, Some(Authorities::File(file.clone())));
    assert_eq!(tls(&lines).expiry_warning, Some(14));
    assert_eq!(found(&service(&lines)), Vec::<String>::new());
    let none = files.path().join("none.pem").display().to_string();
    assert_eq!(found(&service(&format!("tls_verify {none}"))), ["V0608:5"]);
    assert_eq!(found(&service("tls_expiry_warning 0")), ["V0302:5"]);
    // It means the same when it is read again.
    for lines in [lines.as_str(), "tls_verify", "tls_compliant", ""] {
        let first = config(&service(lines));
        let shown = setting::text(&effective(&first));
        assert_eq!(probe(&shown), probe(&service(lines)), "{shown}");
    }
    // Plain HTTP has none.
    let plain = service("tls_verify").replace("SSL_GET", "HTTP_GET");
    assert_eq!(found(&plain), ["V0202:5"]);
}

#[test]
fn whoever_is_compliant_says_good_bye() {
    let said_by = |check: &str, url: &str| {
        let text = service(check).replace("path /\n", &format!("path /\n{url}\n"));
        probe(&text).urls[0].close_notify
    };
    assert!(!said_by("", ""));
    assert!(said_by("tls_compliant", ""));
    assert!(said_by("", "tls_compliant"));
    assert!(!said_by("tls_compliant", "tls_compliant off"), "the URL's own word counts");
    let plain = service("").replace("SSL_GET", "HTTP_GET").replace("path /\n", "path /\ntls_compliant\n");
    assert_eq!(found(&plain), ["V0409:8"]);
    // All URLs are fetched in each run.
    assert!(said(&service("fast_recovery")).contains("each run fetches all URLs"));
}
