use std::path::Path;

use mimi_policy::envelope::Envelope;
use mimi_policy::preset::Preset;
use mimi_provider::budget::Rate;
use mimi_provider::consent::{ContactDefault, Disclosure};
use mimi_provider::identifier_query::{QueryPolicy, QueryRates, QueryScope, QueryableFields};
use mimi_provider::profile::FieldName;

use super::{
    Config, ConfigErrors, ContactConfig, LogFormat, LogLevel, PeerPolicy, load_peers_file,
};

const MINIMAL: &str = r#"
domain = "a.example"
data_dir = "data"
[listen]
federation = "127.0.0.1:8443"
client = "127.0.0.1:8444"
[tls]
certificate = "a.pem"
key = "a.key"
"#;

const FULL: &str = r#"
domain = "a.example"
data_dir = "/var/lib/tombolo"
[listen]
federation = "[::]:8443"
client = "127.0.0.1:0"
admin = "127.0.0.1:0"
[tls]
certificate = "a.pem"
key = "../keys/a.key"
roots = ["ca.pem", "other.pem"]
[federation]
unknown_peers = "block"
peers_file = "../peers.toml"
[identifier_query]
scope = "exact"
fields = "email ORG"
per_peer = "5 + 1/min"
[contact]
default = "deny"
masked = false
requests_per_pair = "2 + 1/d"
[peers."b.example"]
address = "127.0.0.1:9443"
roots = ["b-ca.pem"]
[peers."c.example"]
policy = "block"
[policy]
presets = ["moderated", "direct"]
custom_policies = false
max_users = 250
discoverable_rooms = false
join_link_lifetime_seconds_max = 3600
[log]
format = "json"
level = "debug"
[debug]
capture_dir = "capture"
"#;

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse(text, Path::new("/etc/tombolo"))
}

fn keys(errors: &ConfigErrors) -> Vec<&str> {
    errors.errors.iter().map(|error| &*error.key).collect()
}

#[test]
fn what_is_left_out_has_defaults() {
    let config = parse(MINIMAL).unwrap();
    assert_eq!(config.domain.as_str(), "a.example");
    assert_eq!(config.data_dir, Path::new("/etc/tombolo/data"));
    assert_eq!(config.listen.admin.to_string(), "127.0.0.1:8445");
    assert_eq!(config.tls.roots, None);
    assert_eq!(config.federation.unknown_peers, PeerPolicy::Allow);
    assert_eq!(config.federation.peers_file, None);
    assert_eq!((config.log.format, config.log.level), (LogFormat::Text, LogLevel::Info));
    assert_eq!(config.identifier_query, QueryPolicy::default());
    assert_eq!(config.query_rates, QueryRates::default());
    assert_eq!(config.contact, ContactConfig::default());
    assert!(config.peers.is_empty());
    assert_eq!(config.debug.capture_dir, None);
    assert_eq!(config.policy, Envelope::default());
}

#[test]
fn everything_can_be_said() {
    let config = parse(FULL).unwrap();
    assert_eq!(config.data_dir, Path::new("/var/lib/tombolo"));
    assert_eq!(config.listen.client.port(), 0);
    assert_eq!(config.tls.key, Path::new("/etc/tombolo/../keys/a.key"));
    assert_eq!(config.tls.roots.unwrap().len(), 2);
    assert_eq!(config.federation.unknown_peers, PeerPolicy::Block);
    assert_eq!(config.identifier_query.scope, QueryScope::Exact);
    let fields = [FieldName::EMAIL, FieldName::property("ORG").unwrap()];
    assert_eq!(config.identifier_query.fields, QueryableFields::Only(fields.into()));
    assert_eq!(config.query_rates.per_peer, Rate::new(5, 60_000));
    assert_eq!(config.contact.default, ContactDefault::Deny);
    assert_eq!(config.contact.disclosure, Disclosure::Plain);
    assert_eq!(config.contact.rates.requests_per_pair, Rate::new(2, 86_400_000));
    let b = &config.peers[&"b.example".parse().unwrap()];
    assert_eq!(b.address.as_deref(), Some("127.0.0.1:9443"));
    assert_eq!(b.policy, PeerPolicy::Allow);
    assert_eq!(b.roots.as_deref().unwrap(), [Path::new("/etc/tombolo/b-ca.pem")]);
    let c = &config.peers[&"c.example".parse().unwrap()];
    assert_eq!((c.address.as_deref(), c.policy), (None, PeerPolicy::Block));
    let policy = Envelope {
        presets: vec![Preset::Moderated, Preset::Direct],
        custom_policies: false,
        max_users: Some(250),
        discoverable_rooms: false,
        join_link_lifetime_seconds_max: Some(3_600),
        ..Envelope::default()
    };
    assert_eq!(config.policy, policy);
    assert_eq!((config.log.format, config.log.level), (LogFormat::Json, LogLevel::Debug));
    assert_eq!(config.debug.capture_dir.as_deref(), Some(Path::new("/etc/tombolo/capture")));
}

#[test]
fn all_errors_are_reported_at_once_with_key_value_and_what_is_valid() {
    let text = r#"
domain = "A.example"
data_dir = 7
[listen]
federation = "8443"
client = "127.0.0.1:8444"
admin = "0.0.0.0:8445"
[tls]
certificate = "a.pem"
roots = []
[federation]
unknown_peers = "maybe"
[peers."b.example"]
adress = "127.0.0.1:9443"
[peers."B.example"]
address = "b.example"
policy = false
[log]
level = "loud"
colour = "red"
[tsl]
key = "a.key"
"#;
    let errors = parse(text).unwrap_err();
    let expected = [
        ("domain", "\"A.example\"", "a domain name in lower case"),
        ("data_dir", "7", "a text in quotes"),
        ("listen.federation", "\"8443\"", "an IP address with a port"),
        ("listen.admin", "\"0.0.0.0:8445\"", "a loopback address"),
        ("tls.roots", "[]", "a list of PEM files"),
        ("federation.unknown_peers", "\"maybe\"", "\"allow\" or \"block\""),
        ("peers.\"b.example\".adress", "", "did you mean \"address\"?"),
        ("peers.\"B.example\"", "", "a domain name in lower case"),
        ("peers.\"B.example\".address", "\"b.example\"", "a host with a port"),
        ("peers.\"B.example\".policy", "false", "\"allow\" or \"block\""),
        ("log.level", "\"loud\"", "\"debug\""),
        ("log.colour", "", "unknown key; valid here: format, level"),
        ("tsl", "", "did you mean \"tls\"?"),
        ("tls.key", "", "is missing; it must be a PEM file"),
    ];
    assert_eq!(keys(&errors), expected.map(|(key, ..)| key));
    for (error, (key, value, valid)) in errors.errors.iter().zip(expected) {
        assert_eq!(error.value.as_deref().unwrap_or_default(), value, "{key}");
        assert!(error.valid.contains(valid), "{key}: {}", error.valid);
    }
    assert_eq!(errors.errors[0].line, Some(2));
    let shown = errors.to_string();
    assert!(shown.starts_with("/etc/tombolo/tombolo.toml has 14 errors:\n  line 2: domain = "));
    assert!(shown.contains("line 5: listen.federation = \"8443\": must be an IP address"));
}

#[test]
fn an_empty_file_names_what_must_be_there() {
    let errors = parse("").unwrap_err();
    let wanted =
        ["domain", "data_dir", "listen.federation", "listen.client", "tls.certificate", "tls.key"];
    assert_eq!(keys(&errors), wanted);
    assert!(errors.errors.iter().all(|error| error.valid.starts_with("is missing; it must be")));
}

#[test]
fn every_fault_of_syntax_is_reported() {
    let errors = parse("domain = \ndata_dir = 'x\n[listen\n").unwrap_err();
    assert!(errors.errors.len() >= 2, "{errors}");
    assert!(errors.errors.iter().all(|error| error.valid.starts_with("not valid TOML")));
}

#[test]
fn two_listeners_cannot_share_an_address() {
    let text = MINIMAL.replace("127.0.0.1:8444", "127.0.0.1:8443");
    let errors = parse(&text).unwrap_err();
    assert_eq!(keys(&errors), ["listen.client"]);
    assert!(errors.errors[0].valid.contains("listen.federation"));
}

#[test]
fn a_value_where_a_table_belongs_is_an_error() {
    let text = MINIMAL.replace("[listen]", "log = 1\n[listen]");
    assert_eq!(keys(&parse(&text).unwrap_err()), ["log"]);
    let text = format!("{MINIMAL}[peers]\n\"b.example\" = 3\n");
    assert_eq!(keys(&parse(&text).unwrap_err()), ["peers.\"b.example\""]);
}

#[test]
fn garbage_never_panics() {
    for text in ["\u{0}", "[[peers]]", "peers = [1]", "a.b.c = 1", "'' = 1", "[listen.federation]"]
    {
        parse(text).unwrap_err();
    }
}

#[test]
fn a_missing_file_says_how_to_get_one() {
    let directory = tempfile::tempdir().unwrap();
    let errors = Config::load(&directory.path().join("none.toml")).unwrap_err();
    assert!(errors.to_string().contains("`tombolo init` writes one"), "{errors}");
}

#[test]
fn named_files_are_looked_at() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tombolo.toml");
    std::fs::write(directory.path().join("a.key"), "nothing").unwrap();
    std::fs::write(directory.path().join("data"), "a file").unwrap();
    std::fs::write(directory.path().join("peers.toml"), "[peer]").unwrap();
    let text = format!(
        "{MINIMAL}roots = [\"ca.pem\"]\n[federation]\npeers_file = \"peers.toml\"\n\
         [peers.\"b.example\"]\nroots = [\"b.pem\"]\n"
    );
    std::fs::write(&path, text).unwrap();
    let errors = Config::load(&path).unwrap_err();
    let expected = [
        "data_dir",
        "tls.certificate",
        "tls.key",
        "tls.roots",
        "federation.peers_file",
        "peers.\"b.example\".roots",
    ];
    assert_eq!(keys(&errors), expected, "{errors}");
    assert!(errors.errors.iter().all(|error| error.line.is_some() && error.value.is_some()));
}

#[test]
fn faults_of_the_text_and_of_named_files_are_one_report() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tombolo.toml");
    let text = MINIMAL.replace("\"a.example\"", "\"A\"").replace("key =", "kee =");
    let text = format!(
        "{text}roots = [\"ca.pem\"]\n[federation]\nunknown_peers = \"ask\"\n\
         peers_file = \"none.toml\"\n[peers.localhost]\npolicy = 1\nroots = [\"b.pem\"]\n"
    );
    std::fs::write(&path, text).unwrap();
    let errors = Config::load(&path).unwrap_err();
    let expected = [
        "domain",
        "tls.certificate",
        "tls.kee",
        "tls.roots",
        "federation.unknown_peers",
        "federation.peers_file",
        "peers.localhost.policy",
        "peers.localhost.roots",
        "tls.key",
    ];
    assert_eq!(keys(&errors), expected, "{errors}");
    let shown = errors.to_string();
    assert_eq!(shown.lines().count(), 1 + expected.len(), "one line each: {shown}");
    assert!(shown.contains("none.toml: there is no such file\n"), "{shown}");
}

#[test]
fn a_peers_file_holds_peers_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("peers.toml");
    std::fs::write(&path, "[peers.\"b.example\"]\naddress = \"127.0.0.1:9443\"\n").unwrap();
    let peers = load_peers_file(&path).unwrap();
    assert_eq!(peers.len(), 1);
    std::fs::write(&path, "domain = \"a.example\"\n").unwrap();
    assert_eq!(keys(&load_peers_file(&path).unwrap_err()), ["domain"]);
}

#[test]
fn what_may_be_asked_is_checked() {
    for (line, key) in [
        ("scope = \"some\"", "identifier_query.scope"),
        ("fields = \"\"", "identifier_query.fields"),
        ("fields = \"email shoe_size\"", "identifier_query.fields"),
    ] {
        let errors = parse(&format!("{MINIMAL}[identifier_query]\n{line}\n")).unwrap_err();
        assert_eq!(keys(&errors), [key], "{line}");
    }
}

/// AMB-POL-16: every fault of the envelope is told at once.
#[test]
fn faults_of_the_policy() {
    let faulty = r#"
[policy]
presets = ["moderated", "chaotic"]
custom_policies = "no"
max_users = 0
max_clients = -1
open_join = 1
join_link_lifetime_seconds_max = 4294967296
max_user = 3
"#;
    let errors = parse(&format!("{MINIMAL}{faulty}")).unwrap_err();
    let expected = [
        "policy.presets",
        "policy.custom_policies",
        "policy.max_users",
        "policy.max_clients",
        "policy.open_join",
        "policy.join_link_lifetime_seconds_max",
        "policy.max_user",
    ];
    let mut found = keys(&errors);
    found.sort_unstable();
    let mut sorted = expected;
    sorted.sort_unstable();
    assert_eq!(found, sorted);
    assert!(errors.to_string().contains("multi-organization"), "{errors}");
    assert!(errors.to_string().contains("max_users"), "{errors}");
    let none = "[policy]\npresets = []\ncustom_policies = false\n";
    let errors = parse(&format!("{MINIMAL}{none}")).unwrap_err();
    assert_eq!(keys(&errors), ["policy.presets"]);
    let limit = "[policy]\nmax_users = 4294967295\nmax_clients = 1\n";
    assert_eq!(parse(&format!("{MINIMAL}{limit}")).unwrap().policy.max_users, Some(u32::MAX));
}

const MIB: u64 = 1024 * 1024;

#[test]
fn files_have_limits() {
    let assets = parse(MINIMAL).unwrap().assets;
    assert_eq!(assets.host.as_str(), "a.example");
    assert_eq!(assets.asset_octets_max, u64::from(super::ASSET_MIB_MAX_DEFAULT) * MIB);
    assert_eq!(assets.user_octets_max, u64::from(super::USER_MIB_MAX_DEFAULT) * MIB);
    assert_eq!(assets.proxied_octets_max, u64::from(super::PROXIED_MIB_MAX_DEFAULT) * MIB);
    assert_eq!(assets.kept_s, u64::from(super::KEPT_DAYS_DEFAULT) * 24 * 60 * 60);
    assert!(!assets.use_peer_addresses && assets.peer_hosts.is_empty());
    let said = "[assets]\nhost = \"files.a.example\"\nasset_mib_max = 1\nuser_mib_max = 2\n\
                kept_days = 3\nproxied_mib_max = 4\npeer_hosts = [\"files.b.example\"]\n\
                use_peer_addresses = true\n";
    let assets = parse(&format!("{MINIMAL}\n{said}")).unwrap().assets;
    assert_eq!(assets.host.as_str(), "files.a.example");
    assert_eq!((assets.asset_octets_max, assets.user_octets_max), (MIB, 2 * MIB));
    assert_eq!((assets.kept_s, assets.proxied_octets_max), (3 * 24 * 60 * 60, 4 * MIB));
    assert_eq!(assets.peer_hosts, ["files.b.example".parse().unwrap()]);
    assert!(assets.use_peer_addresses);
    for fault in [
        "host = \"10.0.0.1\"",
        "asset_mib_max = 0",
        "user_mib_max = \"1\"",
        "peer_hosts = [\"https://b.example\"]",
        "use_peer_addresses = 1",
        "quota = 1",
    ] {
        assert!(parse(&format!("{MINIMAL}\n[assets]\n{fault}\n")).is_err(), "{fault}");
    }
}

#[test]
fn budgets_of_contact_are_checked() {
    let errors = parse(&format!(
        "{MINIMAL}[contact]\ndefault = \"maybe\"\nmasked = \"no\"\nrequests_per_pair = \"6\"\n\
         releases_per_request = \"0 + 1/s\"\nrequests_per_pear = \"6 + 1/h\"\n\
         [identifier_query]\nper_user = \"many\"\n"
    ))
    .unwrap_err();
    let mut found = keys(&errors);
    found.sort_unstable();
    let expected = [
        "contact.default",
        "contact.masked",
        "contact.releases_per_request",
        "contact.requests_per_pair",
        "contact.requests_per_pear",
        "identifier_query.per_user",
    ];
    assert_eq!(found, expected);
}
