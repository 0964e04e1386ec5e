//! `tombolo openapi`.

use clap::Args;
use tombolo_server::client_api::document;

use super::{Failure, say};

/// Print the OpenAPI document of the client API, as providers serve it at /client/v1/openapi.json
#[derive(Args, Debug)]
pub(crate) struct OpenApi {}

impl OpenApi {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(&document());
        say(&text.map_err(|error| Failure::new(&error))?);
        Ok(())
    }
}
