//! `SSL_GET`: the HTTP probe inside TLS 1.2 or 1.3.
//!
//! Unless told otherwise every certificate is accepted: expired, self-signed, for another name, even one whose key the server
//! can't prove to have. That is what keepalived does, and what the files in the field count on. The probe then asks whether
//! the server answers, not who it is; it sends nothing secret and believes nothing but the answer's status or digest. An
//! attacker between director and server who fakes an answer could as well let the packets through.
//!
//! With [`Trust::System`] or [`Trust::File`] a certificate must be what a browser would accept: in force, for the name that
//! is asked for, signed by an authority that is trusted; or be itself in the file. That finds the server whose certificate
//! has run out before its users do.

use crate::connect::{Connection, connect};
use crate::http::{self, Request, Version};
use crate::{Notice, Step, Target, Verdict, Why};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Where distributions keep the authorities that they trust.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The name of HTTP/2 in a handshake (RFC 9113, 3.1).
const HTTP2: &[u8] = b"h2";

/// How long the server is waited for when the connection is closed.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a TLS probe does besides the request.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// The server's name in the handshake (SNI); `None`: none.
    pub sni: Option<String>,
    /// Whom a verified certificate must be for; `None`: the name in the handshake, else the address.
    pub name: Option<String>,
    /// How we show ourselves, and whom we believe.
    pub client: Arc<Client>,
    /// Whether the server is told that the connection ends (`close_notify`).
    pub closing: Closing,
    /// How long before the end of the certificate that is told; `None`: never.
    pub warning: Option<Duration>,
}

/// How a connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Closing {
    /// It is closed.
    #[default]
    Quiet,
    /// The server is told before.
    Told,
}

/// Whom a client believes.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub enum Trust {
    /// Anyone.
    #[default]
    Anyone,
    /// Whom the system believes; the environment's `SSL_CERT_FILE` counts more.
    System,
    /// The authorities and servers whose certificates are in this file (PEM).
    File(PathBuf),
}

impl Trust {
    /// The file with those who are believed, if there are any and they are known.
    pub fn file(&self) -> Option<PathBuf> {
        match self {
            Trust::Anyone => None,
            Trust::File(file) => Some(file.clone()),
            Trust::System => match std::env::var_os("SSL_CERT_FILE") {
                Some(file) => Some(PathBuf::from(file)),
                None => SYSTEM.iter().map(PathBuf::from).find(|path| path.exists()),
            },
        }
    }
}

/// A client's certificate and key (PEM).
#[derive(Clone, Copy)]
pub struct Identity<'a> {
    /// Its certificate, and those that lead to its authority.
    pub certificates: &'a str,
    /// Its private key.
    pub key: &'a str,
}

/// How to show oneself, and whom to believe: for many probes. What is wrong with it is the reason for which each of them
/// fails.
pub struct Client {
    with_sni: Config,
    without_sni: Config,
    /// Authorities, for the end of a certificate.
    roots: Arc<RootCertStore>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("roots", &self.roots.len()).finish_non_exhaustive()
    }
}

impl Default for Client {
    fn default() -> Client {
        Client::new(&Trust::Anyone, None)
    }
}

impl Client {
    /// Reads the files of those who are trusted.
    pub fn new(trust: &Trust, identity: Option<Identity<'_>>) -> Client {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let trusted = trusted(trust);
        let roots = trusted.as_ref().ok().and_then(Option::as_ref).map(|(roots, _)| roots.clone());
        let roots = roots.unwrap_or_else(|| Arc::new(RootCertStore::empty()));
        let verifier: Result<Arc<dyn ServerCertVerifier>, String> = trusted.and_then(|trusted| match trusted {
            None => Ok(Arc::new(AnyServer(provider.clone())) as Arc<dyn ServerCertVerifier>),
            Some((roots, listed)) => {
                let inner = WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build();
                Ok(Arc::new(Verified { inner: inner.map_err(|e| e.to_string())?, listed }))
            }
        });
        let config = |sni| verifier.clone().and_then(|verifier| configure(&provider, verifier, identity, sni));
        Client { with_sni: config(Sni::Sent), without_sni: config(Sni::Left), roots }
    }

    /// What is wrong with it, for which every probe fails.
    pub fn flaw(&self) -> Option<&str> {
        self.with_sni.as_ref().err().or(self.without_sni.as_ref().err()).map(String::as_str)
    }

    /// How long the certificates are in force that a server showed, if they end within this time.
    fn left(&self, chain: &[CertificateDer<'_>], within: Duration) -> Option<Duration> {
        let (first, rest) = chain.split_first()?;
        let first = ParsedCertificate::try_from(first).ok()?;
        let now = UnixTime::now();
        let then = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()).saturating_add(within));
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms.all;
        // Judged as it will be then, what is wrong with it is its end, before all else that may be wrong.
        match verify_server_cert_signed_by_trust_anchor(&first, &self.roots, rest, then, algorithms) {
            Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
                Some(Duration::from_secs(not_after.as_secs().saturating_sub(now.as_secs())))
            }
            _ => None,
        }
    }
}

/// Authorities, and every certificate that is listed with them; `None`: whoever it is.
type Trusted = Option<(Arc<RootCertStore>, Vec<CertificateDer<'static>>)>;

fn trusted(trust: &Trust) -> Result<Trusted, String> {
    if *trust == Trust::Anyone {
        return Ok(None);
    }
    let file = trust.file().ok_or("this system lists no authorities (package ca-certificates)")?;
    let wrong = |error: &dyn fmt::Display| format!("reading authorities from {}: {error}", file.display());
    let listed = CertificateDer::pem_file_iter(&file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let listed = listed.map_err(|e| wrong(&e))?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(listed.iter().cloned());
    if added == 0 {
        return Err(wrong(&"there is no certificate in it"));
    }
    Ok(Some((Arc::new(roots), listed)))
}

/// Connects, shakes hands, asks, judges the answer.
pub async fn probe(target: &Target, tls: &Tls, request: &Request) -> Verdict {
    let found = async {
        let protocol = if request.version == Version::V2 { Protocol::Http2 } else { Protocol::Http1 };
        let mut stream = open(target, tls, protocol).await?;
        let found = http::exchange(&mut stream, target, request, "https").await;
        let notice = close(&mut stream, target, tls).await;
        Ok((found?, notice))
    };
    found.await.into()
}

/// Says good-bye if that is wanted; what should be told of the server's certificate.
pub(crate) async fn close(stream: &mut TlsStream<Connection>, target: &Target, tls: &Tls) -> Option<Notice> {
    if tls.closing == Closing::Told {
        // The verdict stands; a server that is gone needs not be told.
        let _ = tokio::time::timeout(FAREWELL.min(target.timeout), stream.shutdown()).await;
    }
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let left = tls.warning.and_then(|within| tls.client.left(chain, within))?;
    let mut about = DefaultHasher::new();
    chain.first().map(|certificate| certificate.as_ref()).hash(&mut about);
    Some(Notice { text: ends_in(left), about: about.finish() })
}

/// The end of a certificate, for people.
fn ends_in(left: Duration) -> String {
    match left.as_secs() / 3600 {
        0 if left.is_zero() => "its certificate has expired".to_owned(),
        0 => "its certificate expires within an hour".to_owned(),
        hours @ 1..48 => format!("its certificate expires in {} hours", hours + 1),
        hours => format!("its certificate expires in {} days", hours / 24),
    }
}

/// What is spoken inside of TLS.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Nothing that the handshake must agree on.
    Http1,
    /// What the server must choose (ALPN).
    Http2,
}

/// Connects and shakes hands.
pub(crate) async fn open(target: &Target, tls: &Tls, protocol: Protocol) -> Result<TlsStream<Connection>, Why> {
    let config = if tls.sni.is_some() { &tls.client.with_sni } else { &tls.client.without_sni };
    // With SNI the one name is sent and verified.
    let name = match tls.sni.as_ref().or(tls.name.as_ref()) {
        Some(name) => ServerName::try_from(name.clone())
            .map_err(|e| Why::Local { tried: format!("sending the name {name:?}"), error: e.to_string() })?,
        None => ServerName::from(target.address.ip()),
    };
    let mut config = config.clone().map_err(|error| Why::Local { tried: "setting up TLS".to_string(), error })?;
    if protocol == Protocol::Http2 {
        Arc::make_mut(&mut config).alpn_protocols = vec![HTTP2.to_vec()];
    }
    let stream = connect(target).await?;
    let shaken = TlsConnector::from(config).connect(name, stream);
    match tokio::time::timeout(target.timeout, shaken).await {
        Ok(Ok(stream)) if protocol == Protocol::Http2 && stream.get_ref().1.alpn_protocol() != Some(HTTP2) => {
            Err(not_chosen())
        }
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(classify(&error)),
        Err(_) => Err(Why::TimedOut { step: Step::Handshake, after: target.timeout, received: 0 }),
    }
}

fn not_chosen() -> Why {
    Why::NotHttp2("the server did not choose it in the TLS handshake (ALPN)".to_owned())
}

fn classify(error: &io::Error) -> Why {
    let inner = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    match (inner, error.kind()) {
        (Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)), _) => not_chosen(),
        (Some(rustls::Error::InvalidMessage(_)), _) => Why::NotTls,
        (Some(rustls::Error::InvalidCertificate(error)), _) => Why::Certificate(unfit(error)),
        (Some(inner), _) => Why::Tls(inner.to_string()),
        (None, io::ErrorKind::UnexpectedEof) => Why::Closed(Step::Handshake),
        (None, io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => Why::Reset(Step::Handshake),
        (None, _) => Why::Broken { step: Step::Handshake, error: error.to_string() },
    }
}

/// What is wrong with a certificate, for people.
fn unfit(error: &CertificateError) -> String {
    let days = |from: &UnixTime, to: &UnixTime| to.as_secs().saturating_sub(from.as_secs()) / 86_400;
    match error {
        CertificateError::ExpiredContext { time, not_after } => {
            format!("it has expired, {} days ago", days(not_after, time))
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            format!("it is not in force yet, for {} days to come", days(time, not_before))
        }
        CertificateError::UnknownIssuer => "nobody who is trusted has signed it".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let presented = match presented.as_slice() {
                [] => "nobody (no subjectAltName)".to_owned(),
                // `DnsName("www.example.org")`
                names => names
                    .iter()
                    .map(|name| name.split(['(', ')']).nth(1).unwrap_or(name).trim_matches('"'))
                    .collect::<Vec<_>>()
                    .join(", "),
            };
            format!("it is for {presented}, not for {}", expected.to_str())
        }
        error => match error.to_string() {
            text if text.contains("CaUsedAsEndEntity") => {
                "it is an authority's own certificate (a self-signed one, as openssl makes them); where that is meant, list \
                 it itself in the file of tls_verify"
                    .to_owned()
            }
            text if text.contains("UnsupportedCertVersion") => {
                "it is of an old version of X.509 (1), which nobody verifies any more".to_owned()
            }
            text => text,
        },
    }
}

type Config = Result<Arc<ClientConfig>, String>;

#[derive(Clone, Copy, PartialEq)]
enum Sni {
    Sent,
    Left,
}

fn configure(
    provider: &Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
    identity: Option<Identity<'_>>,
    sni: Sni,
) -> Config {
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(Identity { certificates, key }) => {
            let wrong = |what: &str, error: &dyn fmt::Display| format!("the {what} of SSL: {error}");
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates.as_bytes()).collect();
            let chain = chain.map_err(|e| wrong("certificate", &e))?;
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|e| wrong("key", &e))?;
            builder.with_client_auth_cert(chain, key).map_err(|e| wrong("certificate and key", &e))?
        }
    };
    config.enable_sni = sni == Sni::Sent;
    // Every run is a full handshake: a server that can only resume old sessions does not serve new clients.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Accepts servers that a browser would accept, and those that are listed themselves.
#[derive(Debug)]
struct Verified {
    inner: Arc<WebPkiServerVerifier>,
    listed: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verified {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let judged = self.inner.verify_server_cert(end_entity, intermediates, name, ocsp, now);
        let early_or_late = matches!(
            judged,
            Err(rustls::Error::InvalidCertificate(
                CertificateError::Expired
                    | CertificateError::ExpiredContext { .. }
                    | CertificateError::NotValidYet
                    | CertificateError::NotValidYetContext { .. }
            ))
        );
        // A self-signed one is its own authority, which the library takes no server for.
        if judged.is_err() && !early_or_late && self.listed.contains(end_entity) {
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
            return Ok(ServerCertVerified::assertion());
        }
        judged
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Accepts every server; the module says why.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    /// What the library knows, and the ones with SHA-1 that it does not: nothing is verified, so an old server may sign with them.
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.0.signature_verification_algorithms.supported_schemes();
        for scheme in [
            SignatureScheme::RSA_PKCS1_SHA512,
            SignatureScheme::RSA_PSS_SHA512,
            SignatureScheme::ECDSA_NISTP521_SHA512,
            SignatureScheme::ED448,
            SignatureScheme::RSA_PKCS1_SHA1,
            SignatureScheme::ECDSA_SHA1_Legacy,
        ] {
            if !schemes.contains(&scheme) {
                schemes.push(scheme);
            }
        }
        schemes
    }
}
