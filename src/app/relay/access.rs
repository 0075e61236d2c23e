//! Access to relays: the key of the log-in, and the certificates that are trusted.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::app::error::{AppError, code, shown};
use crate::crypto::Nkey;
use crate::peers::relay_url::{RelayUrl, Transport};
use crate::peers::via::Via;
use crate::store::safe_file::{self, Access};

/// Bytes of a key file: a seed and the lines around it.
const KEY_FILE_BYTES: u64 = 4_096;

/// Key and certificates, read before a sandbox closes the files.
#[derive(Default)]
pub(crate) struct RelayAccess {
    pub(crate) key: Option<Nkey>,
    /// `None` where no relay has TLS.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// Way to the relays.
    pub(crate) via: Option<Via>,
}

impl RelayAccess {
    /// The same for a command that needs them, and the way.
    pub(crate) fn of(
        relays: &[RelayUrl],
        key: Option<&Path>,
        ca: Option<&Path>,
        via: Option<Via>,
    ) -> Result<Self, AppError> {
        let access = Self::read(relays, key, ca).map_err(|(_, error)| error)?;
        Ok(Self { via, ..access })
    }

    /// What these relays need: the key, and certificates where one has TLS. An error comes with the
    /// setting that it is about.
    pub(crate) fn read(
        relays: &[RelayUrl],
        key: Option<&Path>,
        ca: Option<&Path>,
    ) -> Result<Self, (&'static str, AppError)> {
        let mut access = Self::default();
        if relays.is_empty() {
            return Ok(access);
        }
        access.key = key.map(Self::read_key).transpose().map_err(|error| ("relay key", error))?;
        if relays.iter().any(|url| url.transport == Transport::Tls) {
            access.tls = Some(Self::tls_of(ca).map_err(|error| ("relay ca", error))?);
        }
        Ok(access)
    }

    /// The key of a file that nobody else can read.
    fn read_key(path: &Path) -> Result<Nkey, AppError> {
        let failed = |why: String| AppError::new(code::MACHINE, why);
        let text = safe_file::read_text(path, KEY_FILE_BYTES, Access::OwnSecret);
        let text = text.map_err(|error| failed(error.to_string()))?.ok_or_else(|| {
            failed(format!("there is no file {}", shown(path)))
                .hint(format!("rsachat key relay {} makes it", shown(path)))
        })?;
        Nkey::from_text(&text).map_err(|error| {
            failed(format!("{} is no key of a relay: {error}", shown(path)))
                .hint("rsachat key relay FILE makes one")
        })
    }

    /// TLS 1.3 that trusts the certificates of a file, else those of the system.
    fn tls_of(ca: Option<&Path>) -> Result<Arc<ClientConfig>, AppError> {
        let failed = |why: String| AppError::new(code::MACHINE, why);
        let mut roots = RootCertStore::empty();
        match ca {
            Some(path) => {
                let unreadable = |why: String| failed(format!("{} cannot be used: {why}", shown(path)));
                let found =
                    CertificateDer::pem_file_iter(path).map_err(|error| unreadable(error.to_string()))?;
                for certificate in found {
                    let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
                    roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
                }
            }
            None => _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
        }
        if roots.is_empty() {
            return Err(failed("there is no certificate to trust".to_owned())
                .hint("install those of the system (Debian: ca-certificates), or name a file: relay-ca"));
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| failed(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}
