//! On whose account a request goes: a device's that has proven itself, or else a network's. What merely
//! stands in a header proves nothing: whoever made up a token for each request would have a share for
//! each.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mimi_wire::MimiUri;

use crate::config::RequestLimits;
use crate::shares::{Share, Shares};
use crate::tls::Standing;

/// Who asks, as far as it is known.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Asker {
    /// A signed-in device.
    Device(MimiUri),
    /// Somebody on this network.
    Anybody(IpAddr),
}

/// The places for requests of each.
#[derive(Clone, Debug)]
pub(super) struct Places {
    of_device: Shares<Asker>,
    of_network: Shares<Asker>,
}

/// The place of one request. Cheap to clone; free again once all are gone.
#[derive(Clone, Debug)]
pub(super) struct Place {
    held: Arc<Mutex<Share<Asker>>>,
    places: Places,
}

impl Asker {
    /// Of a request that came in no way that is counted.
    pub(super) const NOBODY: Self = Self::Anybody(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
}

impl Places {
    pub(super) fn new(limits: &RequestLimits) -> Self {
        Self {
            of_device: Shares::new(limits.per_device_max),
            of_network: Shares::new(limits.anonymous_per_network_max),
        }
    }

    /// A place for a request of a device, or of anybody.
    pub(super) fn take(&self, standing: &Standing, device: Option<MimiUri>) -> Option<Place> {
        let (shares, asker) = match device {
            Some(client) => (&self.of_device, Asker::Device(client)),
            None => (&self.of_network, Asker::Anybody(standing.network())),
        };
        let held = Arc::new(Mutex::new(shares.take(&asker)?));
        Some(Place { held, places: self.clone() })
    }
}

impl Place {
    /// Who has it.
    pub(super) fn asker(&self) -> Asker {
        self.held().holder().clone()
    }

    /// The request has turned out to be a device's; false if that has as many as it may.
    pub(super) fn is_of(&self, client: &MimiUri) -> bool {
        let mut held = self.held();
        let device = Asker::Device(client.clone());
        if *held.holder() == device {
            return true;
        }
        let Some(share) = self.places.of_device.take(&device) else { return false };
        *held = share;
        true
    }

    fn held(&self) -> MutexGuard<'_, Share<Asker>> {
        // One whole share or another.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
