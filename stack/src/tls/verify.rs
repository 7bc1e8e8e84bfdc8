//! Who the server is.

use core::time::Duration;

use embedded_tls::{
    Aes128GcmSha256, CertificateEntryRef, CertificateRef, CertificateVerifyRef, Sha256, SignatureScheme, TlsError,
    TlsVerifier,
};
use heapless::Vec;
use p256::ecdsa::signature::digest::Digest;
use rustls_pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::{
    CERTIFICATE_MAX, ROOTS_MAX,
    algorithms::{ALL, EcdsaP256Sha256, EcdsaP384Sha384},
    error::CertificateError,
};

/// How many certificates may lie between the server's and a root.
const INTERMEDIATES_MAX: usize = 4;
/// What a server signs, before the hash of the handshake (RFC 8446, section 4.4.3).
const SIGNED: &[u8; 98] = &{
    let mut text = [b' '; 98];
    let label = b"TLS 1.3, server CertificateVerify\0";
    let mut at = 0;
    while at < label.len() {
        text[64 + at] = label[at];
        at += 1;
    }
    text
};

/// Believes whom one of the roots vouches for.
pub(super) struct ByRoots<'a> {
    pub(super) roots: &'a [TrustAnchor<'a>],
    pub(super) name: ServerName<'a>,
    /// Since 1970.
    pub(super) now: Duration,
    pub(super) certificate: &'a mut Vec<u8, CERTIFICATE_MAX>,
    /// The hash of the handshake up to the certificate.
    pub(super) transcript: Option<Sha256>,
    /// What came of it; nothing, as long as nothing is signed.
    pub(super) verdict: Option<Result<(), CertificateError>>,
}

impl ByRoots<'_> {
    fn look_at(&mut self, shown: &CertificateRef<'_>) -> Result<(), CertificateError> {
        let mut entries = shown.entries.iter().map(|entry| match entry {
            CertificateEntryRef::X509(der) => Ok(CertificateDer::from(*der)),
            CertificateEntryRef::RawPublicKey(_) => Err(CertificateError::Unsupported),
        });
        let own = entries.next().ok_or(CertificateError::Invalid)??;
        let mut between = Vec::<CertificateDer<'_>, INTERMEDIATES_MAX>::new();
        for entry in entries {
            between.push(entry?).map_err(|_| CertificateError::TooLong)?;
        }
        let parsed = EndEntityCert::try_from(&own)?;
        let now = UnixTime::since_unix_epoch(self.now);
        parsed.verify_for_usage(ALL, self.roots, &between, now, KeyUsage::server_auth(), None, None)?;
        parsed.verify_is_valid_for_subject_name(&self.name)?;
        self.certificate.clear();
        self.certificate.extend_from_slice(&own).map_err(|_| CertificateError::TooLong)
    }

    fn look_at_signature(&mut self, shown: &CertificateVerifyRef<'_>) -> Result<(), CertificateError> {
        let transcript = self.transcript.take().ok_or(CertificateError::Invalid)?;
        let algorithm: &dyn SignatureVerificationAlgorithm = match shown.signature_scheme {
            SignatureScheme::EcdsaSecp256r1Sha256 => &EcdsaP256Sha256,
            SignatureScheme::EcdsaSecp384r1Sha384 => &EcdsaP384Sha384,
            _ => return Err(CertificateError::Unsupported),
        };
        let mut message = [0; SIGNED.len() + 32];
        message[..SIGNED.len()].copy_from_slice(SIGNED);
        message[SIGNED.len()..].copy_from_slice(&transcript.finalize());
        let own = CertificateDer::from(self.certificate.as_slice());
        Ok(EndEntityCert::try_from(&own)?.verify_signature(algorithm, &message, shown.signature)?)
    }
}

impl TlsVerifier<Aes128GcmSha256> for ByRoots<'_> {
    fn set_hostname_verification(&mut self, _: &str) -> Result<(), TlsError> {
        // The name is known from the beginning.
        Ok(())
    }

    fn verify_certificate(&mut self, transcript: &Sha256, shown: CertificateRef<'_>) -> Result<(), TlsError> {
        self.verdict = None;
        if let Err(error) = self.look_at(&shown) {
            self.verdict = Some(Err(error));
            return Err(TlsError::InvalidCertificate);
        }
        self.transcript = Some(transcript.clone());
        Ok(())
    }

    fn verify_signature(&mut self, shown: CertificateVerifyRef<'_>) -> Result<(), TlsError> {
        let verdict = self.look_at_signature(&shown);
        self.verdict = Some(verdict);
        verdict.map_err(|_| TlsError::InvalidSignature)
    }
}

/// Where a key is shared, a certificate stands for somebody who does not have it.
pub(super) struct ByKey;

impl TlsVerifier<Aes128GcmSha256> for ByKey {
    fn set_hostname_verification(&mut self, _: &str) -> Result<(), TlsError> {
        Ok(())
    }

    fn verify_certificate(&mut self, _: &Sha256, _: CertificateRef<'_>) -> Result<(), TlsError> {
        Err(TlsError::InvalidCertificate)
    }

    fn verify_signature(&mut self, _: CertificateVerifyRef<'_>) -> Result<(), TlsError> {
        Err(TlsError::InvalidSignature)
    }
}

/// The roots, read.
pub(super) fn anchors<'a>(
    certificates: &'a [CertificateDer<'a>],
) -> Result<Vec<TrustAnchor<'a>, ROOTS_MAX>, webpki::Error> {
    certificates.iter().map(webpki::anchor_from_trusted_cert).collect()
}
