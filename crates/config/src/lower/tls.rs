//! `SSL`: the files that `SSL_GET` needs. Whether they are what they should be is seen here; the certificate and its key are
//! handed on, as the role that probes may not read the key. The authorities that servers are judged by it reads itself.

use super::Lower;
use crate::diag::{Code, Report};
use crate::lex::words::Word;
use crate::model::{Tls, TlsIdentity, TlsKey};
use crate::tree::{Node, Nodes};
use pkcs8::der::pem::LineEnding;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef, SecretDocument, pkcs5};
use rustls::InconsistentKeys;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Bytes of a file that are looked at: all authorities of a system have some hundred KiB.
const LONGEST: u64 = 4 << 20;

/// What a file in PEM form may hold.
#[derive(Clone, Copy)]
enum Holds<'a> {
    Certificate,
    /// With what `password` says.
    Key(Option<&'a Word>),
}

/// The label of a key that a password opens (RFC 7468, 11).
const LOCKED: &str = "ENCRYPTED PRIVATE KEY";

impl Lower<'_> {
    /// What the file says of how to show oneself, and whom to believe.
    pub(super) fn tls(&mut self, root: &Nodes) -> Tls {
        let Some(nodes) = root.find("SSL").map(Node::nodes) else { return Tls::default() };
        let word = |name: &str| nodes.find(name).and_then(|node| node.words.first());
        let ca = word("ca")
            .filter(|word| self.pem(word, Holds::Certificate).is_some())
            .map(|word| PathBuf::from(&word.text));
        let password = word("password");
        if let (None, Some(password)) = (word("certificate"), password) {
            let message = "`password` has no effect without `certificate`";
            self.push(Report::warning(Code::Unused, password.at, message));
        }
        let identity = match (word("certificate"), word("key")) {
            (None, None) => None,
            (None, Some(key)) => {
                let message = "`key` has no effect without `certificate`";
                self.push(Report::warning(Code::Unused, key.at, message).help("certificate FILE"));
                None
            }
            (Some(certificate), key) => {
                let certificates = self.pem(certificate, Holds::Certificate);
                // A file that can't be read is told once.
                let there = key.is_some() || certificates.is_some();
                let key = there.then(|| self.pem(key.unwrap_or(certificate), Holds::Key(password))).flatten();
                let identity = certificates.zip(key);
                let unlike = identity.as_ref().and_then(|(certificates, key)| match_up(certificates, key).err());
                if let Some(why) = unlike {
                    let report = Report::error(Code::BadCertificate, certificate.at, why);
                    self.here(
                        report.help("the certificate first, then those that lead to its authority; and its own key"),
                    );
                }
                identity.map(|(certificates, key)| TlsIdentity { certificates, key: TlsKey(key) })
            }
        };
        Tls { identity, ca }
    }

    /// `CAFILE` of a `tls_verify`. Many checks name the same one.
    pub(super) fn authorities(&mut self, word: &Word) {
        if self.authorities.insert(word.text.clone()) && self.pem(word, Holds::Certificate).is_none() {
            self.authorities.remove(&word.text);
        }
    }

    /// The text of a file that holds what it should; `None` if it does not, which was told.
    fn pem(&mut self, word: &Word, holds: Holds<'_>) -> Option<String> {
        let path = Path::new(&word.text);
        let found = read(path).and_then(|(text, mode)| {
            let locked = labels(&text).any(|label| label == LOCKED);
            judge(text, holds).map(|text| (text, mode, locked))
        });
        match (found, holds) {
            (Ok((text, ..)), Holds::Certificate) => Some(text),
            (Ok((text, mode, locked)), Holds::Key(password)) => {
                if mode & 0o077 != 0 {
                    let report =
                        Report::lint(Code::SecretReadable, word.at, "this file may be read by others than its owner");
                    self.push(report.help("chmod 600"));
                }
                if let Some(password) = password.filter(|_| !locked) {
                    let message = format!("`password` opens nothing: the key in {} is not encrypted", path.display());
                    self.push(Report::warning(Code::Unused, password.at, message));
                }
                Some(text)
            }
            (Err(why), holds) => {
                let what = match holds {
                    Holds::Certificate => "certificate",
                    Holds::Key(_) => "key",
                };
                let message = format!("no {what} can be read from {}: {why}", path.display());
                self.here(
                    Report::error(Code::BadCertificate, word.at, message)
                        .help("name a file in PEM form that root may read, and its `password` if it is encrypted"),
                );
                None
            }
        }
    }
}

fn read(path: &Path) -> Result<(String, u32), String> {
    let about = std::fs::metadata(path).map_err(|e| e.to_string())?;
    if !about.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    file.take(LONGEST).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    Ok((String::from_utf8_lossy(&bytes).into_owned(), about.mode()))
}

/// What the parts of a text in PEM form are.
fn labels(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.trim_end().strip_prefix("-----BEGIN ")?.strip_suffix("-----"))
}

/// A text that holds what it should; a key as it is when it has been opened.
fn judge(text: String, holds: Holds<'_>) -> Result<String, String> {
    match holds {
        Holds::Certificate if labels(&text).any(|label| label == "CERTIFICATE") => certificates(&text).map(|_| text),
        Holds::Certificate => Err("it has no BEGIN CERTIFICATE".to_owned()),
        Holds::Key(password) if labels(&text).any(|label| label == LOCKED) => match password {
            Some(password) => open(&text, &password.text),
            None => Err("it is encrypted: its `password` is missing (or take it off: openssl pkey -in KEY -out FILE)"
                .to_owned()),
        },
        // RFC 1421, 4.6.1.1: what OpenSSL calls traditional. One MD5 of the password is all that stands before the key.
        Holds::Key(_) if text.contains("Proc-Type: 4,ENCRYPTED") => Err(
            "it is encrypted in the old way, which is not read: openssl pkcs8 -topk8 -in KEY -out FILE encrypts it \
                 as it is done today (PKCS #8)"
                .to_owned(),
        ),
        Holds::Key(_) if labels(&text).any(|label| label.ends_with("PRIVATE KEY")) => Ok(text),
        Holds::Key(_) => Err("it has no BEGIN PRIVATE KEY".to_owned()),
    }
}

/// The key in a text that this password opens (RFC 5958, 3; RFC 8018, 6.2), in PEM form again.
fn open(text: &str, password: &str) -> Result<String, String> {
    let (begin, end) = (format!("-----BEGIN {LOCKED}-----"), format!("-----END {LOCKED}-----"));
    let section = text.split_once(&begin).and_then(|(_, rest)| rest.split_once(&end));
    let (inner, _) = section.ok_or("it ends in the middle of a key: was it cut off?")?;
    let (_, locked) = SecretDocument::from_pem(&format!("{begin}{inner}{end}"))
        .map_err(|e| format!("it is no encrypted key: {e}"))?;
    let other = "it is encrypted in a way that is not read: openssl pkcs8 -topk8 -v2 aes-256-cbc -in KEY -out FILE \
                 encrypts it as it is done today";
    // The ways of PKCS #12 can't even be parsed.
    let locked = EncryptedPrivateKeyInfoRef::try_from(locked.as_bytes()).map_err(|_| other)?;
    let key = locked.decrypt(password).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(
            pkcs5::Error::NoPbes1CryptSupport | pkcs5::Error::UnsupportedAlgorithm { .. },
        ) => other,
        _ => "`password` does not open it",
    })?;
    // Padding may come out right by chance.
    PrivateKeyInfoRef::try_from(key.as_bytes()).map_err(|_| "`password` does not open it")?;
    let text = key.to_pem("PRIVATE KEY", LineEnding::LF).map_err(|e| format!("it can't be written down: {e}"))?;
    Ok(String::clone(&text))
}

/// The certificates in a text, all of which must be whole.
fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    all.map_err(|error| match error {
        pem::Error::MissingSectionEnd { .. } => "it ends in the middle of a certificate: was it cut off?".to_owned(),
        error => format!("it is not in PEM form: {error:?}"),
    })
}

/// Whether a key is that of the first certificate.
fn match_up(chain: &str, key: &str) -> Result<(), String> {
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|e| format!("the key can't be read: {e:?}"))?;
    let key = rustls::crypto::ring::sign::any_supported_type(&key).map_err(|_| {
        "the key is of a kind that can't be used: RSA of 2048 bits or more, ECDSA or Ed25519".to_owned()
    })?;
    match CertifiedKey::new(certificates(chain)?, key).keys_match() {
        // Of some keys it can't be known.
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(()),
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err("the key is not that of the certificate".to_owned())
        }
        Err(error) => Err(format!("the certificate can't be used: {error}")),
    }
}
