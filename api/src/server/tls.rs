//! Certificate and private key for HTTPS.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, Result};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// Permission to read for the group and for others.
const READABLE_BY_OTHERS: u32 = 0o044;

/// Loads files in PEM format: the certificate with its chain, and its private key.
pub fn load(certificate: &Path, key: &Path) -> Result<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .with_context(|| format!("cannot read the certificate {}", certificate.display()))?;
    let private = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("cannot read the private key {}", key.display()))?;
    warn_if_readable(key);
    let provider = rustls::crypto::ring::default_provider();
    ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .context("certificate and private key do not match")
}

/// Warns if other users can read the private key. Whether they may is not for the program to decide, so it starts.
fn warn_if_readable(key: &Path) {
    let mode = fs::metadata(key).map_or(0, |file| file.permissions().mode());
    if mode & READABLE_BY_OTHERS != 0 {
        log::warn!(
            "the private key {} can be read by other users of this machine (mode {:04o}): run `chmod 600`",
            key.display(),
            mode & 0o7777
        );
    }
}
