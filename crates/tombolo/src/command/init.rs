//! `tombolo init`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use mimi_wire::Domain;
use tombolo_server::config::{ListenConfig, LogFormat, PeerPolicy};
use tombolo_server::init::{InitOptions, InitOutcome, OwnCertificate, init};

use super::{Failure, say};

/// Write what a new provider needs: configuration, certificate and keys
#[derive(Args, Debug)]
#[command(after_help = "\
Without --certificate and --key, a development authority issues the provider's certificate: enough
for tests and for closed federations whose providers all trust that authority. Nothing that exists
is replaced, except that --peers-file gets one more table.

Examples:
  tombolo init a.example --dir a.example
  tombolo init b.example --dir b.example --dev-ca ca --peers-file peers.toml \\
      --federation-port 9443 --client-port 9444 --admin-port 9445
  tombolo init chat.example.org --listen :: \\
      --certificate /etc/ssl/chat.pem --key /etc/ssl/chat.key")]
pub(crate) struct Init {
    /// The provider's domain name, for good: users, devices and rooms are named under it
    domain: Domain,
    /// Directory to write to [default: the domain]
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
    /// Directory of the development authority, made if it does not exist [default: dev-ca in --dir]
    #[arg(long, value_name = "DIRECTORY", conflicts_with_all = ["certificate", "key"])]
    dev_ca: Option<PathBuf>,
    /// PEM file with a certificate chain of your own instead
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// PEM file with its private key
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// File in which providers that share it find each other instead of in DNS
    #[arg(long, value_name = "FILE")]
    peers_file: Option<PathBuf>,
    /// What to do with providers that no peers table names
    #[arg(long, value_name = "POLICY", default_value = "allow")]
    unknown_peers: Policy,
    /// Address for other providers and clients to connect to; `::` is every address
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// Port for other providers
    #[arg(long, value_name = "PORT", default_value_t = 8443)]
    federation_port: u16,
    /// Port for the provider's own clients
    #[arg(long, value_name = "PORT", default_value_t = 8444)]
    client_port: u16,
    /// Port for the operator, on this machine only
    #[arg(long, value_name = "PORT", default_value_t = 8445)]
    admin_port: u16,
    /// How log lines look
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log_format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Policy {
    Allow,
    Block,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Init {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let outcome = init(&self.options()).map_err(|error| Failure::new(&error))?;
        report(&outcome);
        Ok(())
    }

    fn options(self) -> InitOptions {
        let dir = self.dir.unwrap_or_else(|| PathBuf::from(self.domain.as_str()));
        let mut options = InitOptions::new(self.domain, dir);
        options.dev_ca = self.dev_ca;
        options.own_certificate = self
            .certificate
            .zip(self.key)
            .map(|(certificate, key)| OwnCertificate { certificate, key });
        options.peers_file = self.peers_file;
        options.unknown_peers = match self.unknown_peers {
            Policy::Allow => PeerPolicy::Allow,
            Policy::Block => PeerPolicy::Block,
        };
        options.listen = ListenConfig {
            federation: SocketAddr::new(self.listen, self.federation_port),
            client: SocketAddr::new(self.listen, self.client_port),
            admin: SocketAddr::from((Ipv4Addr::LOCALHOST, self.admin_port)),
        };
        options.log.format = match self.log_format {
            Format::Text => LogFormat::Text,
            Format::Json => LogFormat::Json,
        };
        options
    }
}

fn report(outcome: &InitOutcome) {
    let config = shown(&outcome.config);
    say(&format!("Wrote {config}"));
    match &outcome.root {
        Some(root) => {
            say(&format!(
                "      {} and its key, issued by a development CA",
                shown(&outcome.certificate)
            ));
            say("");
            say(&format!(
                "Who is to trust this provider needs the root certificate {}",
                shown(root)
            ));
        }
        None => say(&format!("      which names {}", shown(&outcome.certificate))),
    }
    if let Some(peers) = &outcome.peers_file {
        say(&format!("Providers that share {} find this one by itself", shown(peers)));
    }
    say("");
    say("Next:");
    say(&format!("  tombolo serve --config {config}"));
    say(&format!("  tombolo admin --config {config} user add alice"));
}

/// A path as short as it can be typed here.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}
