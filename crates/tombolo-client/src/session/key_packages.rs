//! The stock of KeyPackages at the provider: filled at registration, refilled when it runs low.

use bytes::Bytes;
use mimi_wire::Wire;
use mimi_wire::protocol::key_material::KeyPackageList;

use crate::error::ClientError;
use crate::session::Session;
use crate::session::effects::{Answer, Moment, Purpose, refusal};
use crate::session::request::{Request, Response};

/// KeyPackages in a full stock.
pub const STOCK_FULL: u64 = 40;
/// A smaller stock is refilled; above the mark at which the provider says that it is low.
pub const STOCK_LOW: u64 = 25;
/// How long a KeyPackage is valid.
pub(crate) const LIFETIME_S: u64 = 90 * 24 * 60 * 60;

impl Session {
    /// Asks how many are left.
    pub(crate) fn check_stock(&mut self) {
        let busy = [Purpose::Stock, Purpose::UploadKeyPackages]
            .iter()
            .any(|purpose| self.effects.is_asking(purpose));
        if self.account.is_some() && !busy {
            self.effects.request(Purpose::Stock, Request::KeyPackageStock);
        }
    }

    /// Publishes a full stock.
    pub(crate) fn upload_key_packages(&mut self, at: &mut Moment<'_>) {
        self.upload(STOCK_FULL, at);
    }

    fn upload(&mut self, count: u64, at: &mut Moment<'_>) {
        let count = usize::try_from(count.min(STOCK_FULL)).unwrap_or_default();
        let made = self.device.key_packages(count, LIFETIME_S, at.now_ms, &mut at.rng);
        match made {
            Ok(key_packages) => {
                // The private halves are stored before anybody can use the public ones.
                self.save_device();
                let body = Bytes::from(KeyPackageList(key_packages).encode());
                let request = Request::UploadKeyPackages(body);
                self.effects.request(Purpose::UploadKeyPackages, request);
            }
            Err(error) => {
                let error = ClientError::Other(format!("no KeyPackages could be made: {error}"));
                tracing::error!(%error);
                self.end_registration(Err(error));
            }
        }
    }

    pub(crate) fn stock_answered(&mut self, answer: Answer, at: &mut Moment<'_>) {
        match answer.result {
            Ok(Response::Stock(stock)) if stock < STOCK_LOW => {
                self.upload(STOCK_FULL - stock, at);
            }
            Ok(Response::Stock(_)) => {}
            other => tracing::info!(error = %refusal(other), "the stock of KeyPackages is unknown"),
        }
    }

    pub(crate) fn upload_answered(&mut self, answer: Answer) {
        match answer.result {
            Ok(Response::Stock(_)) => self.end_registration(Ok(())),
            // The first sending of the same KeyPackages came through.
            Err(error) if answer.uncertain && error.is_refusal("conflict") => {
                self.end_registration(Ok(()));
            }
            other => {
                let error = refusal(other);
                tracing::warn!(%error, "KeyPackages were not taken");
                self.end_registration(Err(error));
            }
        }
    }
}
