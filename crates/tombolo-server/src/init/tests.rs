use std::path::Path;

use super::{InitError, InitOptions, OwnCertificate, init, relative};
use crate::config::{Config, LogFormat, PeerPolicy, load_peers_file};

fn options(domain: &str, directory: &Path) -> InitOptions {
    InitOptions::new(domain.parse().unwrap(), directory.to_owned())
}

#[test]
fn what_is_written_can_be_loaded() {
    let home = tempfile::tempdir().unwrap();
    let mut options = options("a.example", &home.path().join("a"));
    options.log.format = LogFormat::Json;
    options.unknown_peers = PeerPolicy::Block;
    options.debug.capture_dir = Some("capture".into());
    let outcome = init(&options).unwrap();
    let config = Config::load(&outcome.config).unwrap();
    assert_eq!(config.domain, options.domain);
    assert_eq!(config.listen, options.listen);
    assert_eq!(config.log, options.log);
    assert_eq!(config.federation.unknown_peers, PeerPolicy::Block);
    assert_eq!(config.debug.capture_dir, Some(home.path().join("a/capture")));
    assert_eq!(config.tls.certificate, outcome.certificate);
    assert_eq!(config.tls.roots.unwrap(), [home.path().join("a/dev-ca/ca.pem")]);
    let text = std::fs::read_to_string(&outcome.config).unwrap();
    assert!(!text.contains(home.path().to_str().unwrap()), "paths are relative:\n{text}");
}

#[cfg(unix)]
#[test]
fn keys_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let outcome = init(&options("a.example", home.path())).unwrap();
    for path in [outcome.key, home.path().join("dev-ca/ca.key")] {
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn nothing_is_replaced() {
    let home = tempfile::tempdir().unwrap();
    let outcome = init(&options("a.example", home.path())).unwrap();
    let before = std::fs::read(&outcome.config).unwrap();
    let refused = init(&options("a.example", home.path())).unwrap_err();
    assert!(matches!(refused, InitError::Exists(path) if path == outcome.config));
    assert_eq!(std::fs::read(&outcome.config).unwrap(), before);

    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("b.example.key"), "precious").unwrap();
    let refused = init(&options("b.example", other.path())).unwrap_err();
    assert!(matches!(refused, InitError::Exists(_)));
    assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 1, "nothing else is written");
}

#[test]
fn providers_share_an_authority_and_a_peers_file() {
    let home = tempfile::tempdir().unwrap();
    let peers_file = home.path().join("peers.toml");
    for (number, domain) in ["a.example", "b.example"].into_iter().enumerate() {
        let mut options = options(domain, &home.path().join(domain));
        options.dev_ca = Some(home.path().join("ca"));
        options.peers_file = Some(peers_file.clone());
        options.listen.federation.set_port(9_000 + u16::try_from(number).unwrap());
        let outcome = init(&options).unwrap();
        let config = Config::load(&outcome.config).unwrap();
        assert_eq!(
            config.federation.peers_file.as_deref(),
            Some(&*home.path().join(domain).join("../peers.toml"))
        );
        assert_eq!(outcome.root.as_deref(), Some(&*home.path().join("ca/ca.pem")));
    }
    let peers = load_peers_file(&peers_file).unwrap();
    let b = &peers[&"b.example".parse().unwrap()];
    assert_eq!(peers.len(), 2);
    assert_eq!(b.address.as_deref(), Some("127.0.0.1:9001"));
    assert_eq!(b.roots.as_deref().unwrap(), [home.path().join("ca/ca.pem")]);
    let text = std::fs::read_to_string(&peers_file).unwrap();
    assert!(text.starts_with("# Where providers find each other"));

    // A second provider of the same name would take its place.
    let mut again = options("b.example", &home.path().join("again"));
    again.peers_file = Some(peers_file);
    assert!(matches!(init(&again), Err(InitError::PeerExists { .. })));
    assert!(!home.path().join("again").exists());
}

#[test]
fn what_others_wrote_into_a_peers_file_stays() {
    let home = tempfile::tempdir().unwrap();
    let peers_file = home.path().join("peers.toml");
    let before = "# ours\n[peers.\"x.example\"]\npolicy = \"block\" # for a reason\n";
    std::fs::write(&peers_file, before).unwrap();
    let mut options = options("a.example", &home.path().join("a"));
    options.peers_file = Some(peers_file.clone());
    init(&options).unwrap();
    let after = std::fs::read_to_string(&peers_file).unwrap();
    assert!(after.starts_with(before), "{after}");
    assert_eq!(load_peers_file(&peers_file).unwrap().len(), 2);
}

#[test]
fn impossible_wishes_are_refused_before_anything_is_written() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("a");
    let mut any_port = options("a.example", &directory);
    any_port.peers_file = Some(home.path().join("peers.toml"));
    any_port.listen.federation.set_port(0);
    assert!(matches!(init(&any_port), Err(InitError::FreePort)));

    let mut twice = options("a.example", &directory);
    twice.dev_ca = Some(home.path().join("ca"));
    let (certificate, key) = (home.path().join("own.pem"), home.path().join("own.key"));
    twice.own_certificate = Some(OwnCertificate { certificate, key });
    assert!(matches!(init(&twice), Err(InitError::TwoCertificates)));

    let mut lost = options("a.example", &directory);
    let (certificate, key) = (home.path().join("own.pem"), home.path().join("own.key"));
    lost.own_certificate = Some(OwnCertificate { certificate: certificate.clone(), key });
    assert!(matches!(init(&lost), Err(InitError::Missing(path)) if path == certificate));

    let mut crowded = options("a.example", &directory);
    crowded.listen.client.set_port(8445);
    let refused = init(&crowded).unwrap_err();
    assert!(matches!(refused, InitError::SamePort { port: 8445, .. }), "{refused}");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn an_own_certificate_is_named_where_it_is() {
    let home = tempfile::tempdir().unwrap();
    let first = init(&options("a.example", &home.path().join("first"))).unwrap();
    let mut second = options("a.example", &home.path().join("second"));
    second.own_certificate =
        Some(OwnCertificate { certificate: first.certificate, key: first.key });
    let outcome = init(&second).unwrap();
    let config = Config::load(&outcome.config).unwrap();
    assert_eq!((config.tls.roots, outcome.root), (None, None));
}

#[test]
fn a_certificate_for_another_domain_is_an_error_of_configuration() {
    let home = tempfile::tempdir().unwrap();
    let outcome = init(&options("a.example", home.path())).unwrap();
    let text = std::fs::read_to_string(&outcome.config).unwrap();
    std::fs::write(&outcome.config, text.replace("\"a.example\"", "\"b.example\"")).unwrap();
    let errors = Config::load(&outcome.config).unwrap_err();
    assert_eq!(errors.errors[0].key, "tls.certificate");
    assert!(errors.errors[0].valid.contains("must be a certificate for b.example"));

    let text = text.replace("a.example.key", "dev-ca/ca.key");
    std::fs::write(&outcome.config, text).unwrap();
    let errors = Config::load(&outcome.config).unwrap_err();
    assert_eq!(errors.errors[0].key, "tls.key");
}

#[test]
fn paths_are_relative_where_directories_can_move_together() {
    let name = |path: &str, directory: &str| relative(path.as_ref(), directory.as_ref()).unwrap();
    assert_eq!(name("/srv/a/x.pem", "/srv/a"), "x.pem");
    assert_eq!(name("/srv/peers.toml", "/srv/a/b"), "../../peers.toml");
    assert_eq!(name("/etc/ssl/x.pem", "/srv/a"), "/etc/ssl/x.pem");
}
