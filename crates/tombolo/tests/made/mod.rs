//! What an operator makes before a provider starts: configuration, certificate, an account.

use std::path::{Path, PathBuf};

use mimi_wire::Domain;
use tombolo_client::ProviderAddress;
use tombolo_server::account::Password;
use tombolo_server::admin_api::{AddUser, operate};
use tombolo_server::config::Config;
use tombolo_server::init::{self, InitOptions};

use crate::ports::free_port;

/// The password of every account here.
pub(crate) const PASSWORD: &str = "a long enough password";

/// A provider of the federation in a folder, with one user: its configuration's file, what that says,
/// and where its clients find it.
pub(crate) async fn provider(
    folder: &Path,
    name: &str,
    user: &str,
) -> (PathBuf, Config, ProviderAddress) {
    let mut options = InitOptions::new(Domain::new(name).unwrap(), folder.join(name));
    options.dev_ca = Some(folder.join("ca"));
    options.peers_file = Some(folder.join("peers.toml"));
    for address in
        [&mut options.listen.federation, &mut options.listen.client, &mut options.listen.admin]
    {
        *address = ([127, 0, 0, 1], free_port()).into();
    }
    let client = options.listen.client;
    let written = init::init(&options).unwrap();
    let config = Config::load(&written.config).unwrap();
    let password = Some(Password::new(PASSWORD.to_owned()));
    let wish = AddUser { name: user.to_owned(), password, claims: Vec::new() };
    operate::add_user(&config, &wish).await.unwrap();
    let address = ProviderAddress {
        url: format!("https://{name}:{}", client.port()),
        resolve: Some(client),
        roots_pem: Some(std::fs::read_to_string(written.root.unwrap()).unwrap()),
    };
    (written.config, config, address)
}
