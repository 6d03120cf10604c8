//! `SSL_GET`: the HTTP probe inside TLS 1.2 or 1.3. Whom the certificate names is not asked.
//!
//! Every certificate is accepted: expired, self-signed, for another name, even one whose key the server can't prove to have.
//! That is what keepalived does, and what the files in the field count on. The probe asks whether the server answers, not
//! who it is; it sends nothing secret and believes nothing but the answer's status or digest. An attacker between director
//! and server who fakes an answer could as well let the packets through.

use crate::connect::connect;
use crate::http::{self, Request};
use crate::{Step, Target, Verdict, Why};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use std::io;
use std::sync::{Arc, LazyLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What a TLS probe sends besides the request.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tls {
    /// The server's name in the handshake (SNI); `None`: none.
    pub sni: Option<String>,
}

/// Connects, shakes hands, asks, judges the answer.
pub async fn probe(target: &Target, tls: &Tls, request: &Request) -> Verdict {
    let found = async {
        let stream = handshake(target, tls).await?;
        http::exchange(stream, target, request).await
    };
    found.await.into()
}

async fn handshake(target: &Target, tls: &Tls) -> Result<TlsStream<TcpStream>, Why> {
    let (config, name) = match &tls.sni {
        Some(sni) => {
            let name = ServerName::try_from(sni.clone());
            (
                &*WITH_SNI,
                name.map_err(|e| Why::Local { tried: format!("sending the name {sni:?}"), error: e.to_string() })?,
            )
        }
        None => (&*WITHOUT_SNI, ServerName::from(target.address.ip())),
    };
    let config = config.clone().map_err(|error| Why::Local { tried: "setting up TLS".to_string(), error })?;
    let stream = connect(target).await?;
    let shaken = TlsConnector::from(config).connect(name, stream);
    match tokio::time::timeout(target.timeout, shaken).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(classify(&error)),
        Err(_) => Err(Why::TimedOut { step: Step::Handshake, after: target.timeout, received: 0 }),
    }
}

fn classify(error: &io::Error) -> Why {
    let inner = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    match (inner, error.kind()) {
        (Some(rustls::Error::InvalidMessage(_)), _) => Why::NotTls,
        (Some(inner), _) => Why::Tls(inner.to_string()),
        (None, io::ErrorKind::UnexpectedEof) => Why::Closed(Step::Handshake),
        (None, io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => Why::Reset(Step::Handshake),
        (None, _) => Why::Broken { step: Step::Handshake, error: error.to_string() },
    }
}

type Config = Result<Arc<ClientConfig>, String>;

static WITH_SNI: LazyLock<Config> = LazyLock::new(|| configure(Sni::Sent));
static WITHOUT_SNI: LazyLock<Config> = LazyLock::new(|| configure(Sni::Left));

#[derive(PartialEq)]
enum Sni {
    Sent,
    Left,
}

fn configure(sni: Sni) -> Config {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    let verifier = Arc::new(AnyServer(provider));
    let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.enable_sni = sni == Sni::Sent;
    // Every run is a full handshake: a server that can only resume old sessions does not serve new clients.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
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
