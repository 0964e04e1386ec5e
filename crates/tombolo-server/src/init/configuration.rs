//! The text of a new configuration file: every key, what it means, and what else it could say.

use std::path::Path;

use mimi_policy::preset::Preset;
use toml_edit::Value;

use super::{DATA_DIRECTORY, InitError, InitOptions, InitOutcome, relative};
use crate::config::{
    ASSET_MIB_MAX_DEFAULT, KEPT_DAYS_DEFAULT, Limits, LogFormat, PROXIED_MIB_MAX_DEFAULT,
    USER_MIB_MAX_DEFAULT,
};

pub(super) fn text(options: &InitOptions, outcome: &InitOutcome) -> Result<String, InitError> {
    let directory = outcome.config.parent().expect("a file in a directory");
    let name = |path: &Path| relative(path, directory).map(|name| quoted(&name));
    let domain = quoted(options.domain.as_str());
    let listen = &options.listen;
    let tls = tls(outcome, &name)?;
    let unknown_peers = options.unknown_peers.as_str();
    let peers_file = match &outcome.peers_file {
        Some(file) => format!("peers_file = {}", name(&super::absolute(file)?)?),
        None => "# peers_file = \"../peers.toml\"".to_owned(),
    };
    let format = match options.log.format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    };
    let level = options.log.level.as_str();
    let capture = match &options.debug.capture_dir {
        Some(path) => {
            let path = name(&super::absolute(&directory.join(path))?)?;
            format!(
                "\n[debug]\n# Every federation body is kept here, in and out.\n\
                 capture_dir = {path}\n"
            )
        }
        None => String::new(),
    };
    let peer_addresses = match outcome.root {
        // A development CA: the peers are on this machine.
        Some(_) => "use_peer_addresses = true",
        None => "# use_peer_addresses = true",
    };
    Ok(format!(
        r#"# Configuration of a Tombolo provider. Paths are relative to this file.
# Start it with: tombolo serve --config {file}

# The provider's domain name. Users, devices and rooms are named under it: it stays for good.
domain = {domain}
# Database, keys and the operator's token. Whoever can read this directory is the provider.
data_dir = "{DATA_DIRECTORY}"

[listen]
# For other providers, over mutually authenticated HTTPS. "[::]:8443" is reached from everywhere.
federation = "{federation}"
# For the provider's own clients, over HTTPS.
client = "{client}"
# For the operator (`tombolo admin`), on this machine only.
admin = "{admin}"

{tls}
[federation]
# Providers without a [peers] table: "allow" or "block".
unknown_peers = "{unknown_peers}"
# Days that something waits for a provider that takes nothing; then it is stale.
# keep_days = 30
# More [peers] tables, in a file shared with other providers; read again when it changes.
{peers_file}

# What is special about one peer.
# [peers."b.example"]
# address = "127.0.0.1:9443"    # connect here instead of asking DNS
# policy = "allow"              # or "block"
# roots = ["b-ca.pem"]          # trust only these roots for this peer

{contact}
{policy}
[assets]
# Files that people send. Each of these keys may be left out.
# host = {domain}                # in the URLs of files; tls.certificate must be for it as well
asset_mib_max = {ASSET_MIB_MAX_DEFAULT}        # of one file
user_mib_max = {USER_MIB_MAX_DEFAULT}        # of all files of a user
kept_days = {KEPT_DAYS_DEFAULT}
proxied_mib_max = {PROXIED_MIB_MAX_DEFAULT}      # of a file of another provider, fetched for a peer
# Hosts that files are fetched from beside those that peers and rooms name.
# peer_hosts = ["files.b.example"]
# Whether the addresses of [peers] are also where their files are, even in a private network.
{peer_addresses}

{limits}[log]
# "text" or "json".
format = "{format}"
# "error", "warn", "info", "debug" or "trace".
level = "{level}"
{capture}"#,
        file = super::CONFIG_FILE,
        policy = policy(),
        contact = super::contact::text(),
        limits = limits(),
        federation = listen.federation,
        client = listen.client,
        admin = listen.admin,
    ))
}

fn tls(
    outcome: &InitOutcome,
    name: &impl Fn(&Path) -> Result<String, InitError>,
) -> Result<String, InitError> {
    let certificate = name(&outcome.certificate)?;
    let key = name(&outcome.key)?;
    let (comment, roots) = match &outcome.root {
        Some(root) => (
            "# From a development CA. For the public federation, put a certificate of a public\n\
             # authority here and remove `roots`.\n",
            format!("roots = [{}]", name(root)?),
        ),
        None => ("", "# roots = [\"ca.pem\"]".to_owned()),
    };
    Ok(format!(
        "[tls]\n# The certificate chain of the domain and its private key, both PEM.\n{comment}\
         certificate = {certificate}\nkey = {key}\n\
         # Roots trusted for peers; without this key, the public ones.\n{roots}\n"
    ))
}

/// Everything that is allowed, so that what is written down is what holds.
fn policy() -> String {
    let names: Vec<String> = Preset::ALL.iter().map(|preset| quoted(preset.name())).collect();
    let presets = names.join(", ");
    format!(
        r#"# Which rooms are hosted here. Every key is optional; what is shown holds without it. A room that is
# refused says so to whoever wants it; rooms that are there already stay until their policy changes.
[policy]
# Presets that rooms may be founded with.
# presets = [{presets}]
# Whether rooms may have roles of their own, from a policy file.
# custom_policies = true
# At most so many participants, and devices, in a room; no limit without it.
# max_users = 1000
# max_clients = 5000
# Whether rooms may outlive their groups, be found by search, have pseudonyms in them.
# persistent_rooms = true
# discoverable_rooms = true
# pseudonyms = true
# How people may come in without being added: everybody, by code, by their credential.
# open_join = true
# join_codes = true
# preauthorized_join = true
# For how long a join link may be good at most; no limit without it.
# join_link_lifetime_seconds_max = 604800
"#
    )
}

/// Every limit with its default, commented out.
fn limits() -> String {
    let mut text = "# How much anybody may send, hold, open or ask for. Every key is optional; what is shown holds\n\
                    # without it. What is answered beyond a limit: docs/limits.md.\n"
        .to_owned();
    let comment = |text: &mut String, lines: &str| {
        lines.lines().for_each(|line| text.extend(["#", line, "\n"]));
    };
    for (section, about) in Limits::SECTIONS {
        comment(&mut text, about);
        text.push_str(&format!("[limits.{section}]\n"));
        for limit in Limits::ALL.iter().filter(|limit| limit.section == *section) {
            comment(&mut text, limit.bounds);
            text.push_str(&format!("# {} = {}\n", limit.key, limit.default));
        }
        text.push('\n');
    }
    text
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
