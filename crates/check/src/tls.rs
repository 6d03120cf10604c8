//! The TLS part of `SSL_GET`: a handshake with whoever answers.
//!
//! Certificates are not verified, as in the original: the check asks whether the server answers with the right page, on
//! an address that no certificate names. Protocols 1.2 and 1.3.

use crate::Why;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Makes TLS connections; one for all probes of a process.
#[derive(Clone)]
pub struct Connector {
    provider: Arc<CryptoProvider>,
}

impl Default for Connector {
    fn default() -> Connector {
        Connector { provider: Arc::new(ring::default_provider()) }
    }
}

impl Connector {
    /// Shakes hands. `name`: what the server is told it is asked for (SNI); `None`: nothing.
    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
        address: IpAddr,
        name: Option<&str>,
    ) -> Result<TlsStream<TcpStream>, Why> {
        let builder = ClientConfig::builder_with_provider(self.provider.clone());
        let builder = builder.with_safe_default_protocol_versions().map_err(|e| Why::Tls(e.to_string()))?;
        let anyone = Arc::new(Anyone { provider: self.provider.clone() });
        let mut config = builder.dangerous().with_custom_certificate_verifier(anyone).with_no_client_auth();
        config.enable_sni = name.is_some();
        // Every probe is a new acquaintance: a remembered session would not exercise the handshake.
        config.resumption = rustls::client::Resumption::disabled();
        let server = match name {
            Some(name) => ServerName::try_from(name.to_owned()).map_err(|e| Why::Request(format!("{name}: {e}")))?,
            None => ServerName::IpAddress(address.into()),
        };
        TlsConnector::from(Arc::new(config)).connect(server, stream).await.map_err(|e| Why::Tls(e.to_string()))
    }
}

/// Believes every certificate and every signature: nothing is asked of who the server is.
#[derive(Debug)]
struct Anyone {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
            .or_else(|_| Ok(HandshakeSignatureValid::assertion())) // certificates of odd form (version 1) are met in the field
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
            .or_else(|_| Ok(HandshakeSignatureValid::assertion()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
