//! A new provider's entry in a peers file that several providers share.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use mimi_wire::Domain;
use toml_edit::{DocumentMut, Value};

use super::{InitError, relative, written};
use crate::config::{ConfigError, ConfigErrors, load_peers_file};

const HEADER: &str = "\
# Where providers find each other instead of in DNS, shared by several of them.
# Each reads it again when it changes.
";

/// Refuses what [`add`] would refuse, and writes nothing.
pub(super) fn check(file: &Path, domain: &Domain, address: SocketAddr) -> Result<(), InitError> {
    if address.port() == 0 {
        return Err(InitError::FreePort);
    }
    if file.exists() && load_peers_file(file)?.contains_key(domain) {
        return Err(InitError::PeerExists { file: file.to_owned(), domain: domain.clone() });
    }
    Ok(())
}

/// Adds a table for the provider and leaves every octet before it alone; the file is replaced in one
/// step, so that those who read it never see half of it.
pub(super) fn add(
    file: &Path,
    domain: &Domain,
    address: SocketAddr,
    root: Option<&Path>,
) -> Result<(), InitError> {
    check(file, domain, address)?;
    let failed = |source| InitError::Write { path: file.to_owned(), source };
    let mut text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => HEADER.to_owned(),
        Err(error) => return Err(failed(error)),
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let directory = file.parent().expect("a file in a directory");
    let root = root.map(|root| relative(root, directory)).transpose()?;
    text.push_str(&table(domain, address, root));
    text.parse::<DocumentMut>().map_err(|error| not_toml(file, &error))?;
    std::fs::create_dir_all(directory).map_err(written(directory))?;
    let mut replacement = readable_by_all().tempfile_in(directory).map_err(failed)?;
    replacement.write_all(text.as_bytes()).map_err(failed)?;
    replacement.as_file().sync_all().map_err(failed)?;
    replacement.persist(file).map_err(|error| failed(error.error))?;
    Ok(())
}

fn table(domain: &Domain, address: SocketAddr, root: Option<String>) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let name = quoted(domain.as_str());
    let address = quoted(&reachable(address).to_string());
    let roots = root.map(|root| format!("roots = [{}]\n", quoted(&root))).unwrap_or_default();
    format!("\n[peers.{name}]\naddress = {address}\n{roots}")
}

/// Providers that share the file may run under different accounts.
fn readable_by_all() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    builder
}

/// Where others connect to when we listen on all addresses: on this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn not_toml(file: &Path, error: &toml_edit::TomlError) -> InitError {
    let valid = format!("takes no further [peers] table: {}", error.message());
    let error = ConfigError { line: None, key: String::new(), value: None, valid };
    InitError::PeersFile(ConfigErrors { file: file.to_owned(), errors: vec![error] })
}
