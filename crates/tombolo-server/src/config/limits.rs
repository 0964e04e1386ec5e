//! `[limits]`: how much anybody may send, hold, open or ask for. Every limit is a line of the table
//! below; the configuration file, the text that `tombolo init` writes and `docs/limits.md` follow from
//! it or are tested against it.
//!
//! A new limit takes one line here, one in `docs/limits.md`, and a test at the limit and beyond it.

use std::time::Duration;

use super::errors::Report;
use super::section::Section;

#[cfg(test)]
mod tests;

/// One limit, as it is configured and documented.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limit {
    /// The table below `[limits]`.
    pub section: &'static str,
    /// The key in it; its unit comes last, before `_max`.
    pub key: &'static str,
    /// What holds without the key.
    pub default: u64,
    /// The least value that is taken.
    pub least: u64,
    /// The largest.
    pub most: u64,
    /// What it bounds, as comment lines.
    pub bounds: &'static str,
}

macro_rules! limits {
    ($(
        $(#[doc = $about:literal])+
        $section:ident: $Section:ident {
            $(
                $(#[doc = $bounds:literal])+
                $key:ident: $type:ty = $default:literal, $least:literal to $most:literal;
            )+
        }
    )+) => {
        $(
            $(#[doc = $about])+
            #[derive(Clone, Copy, Debug, Eq, PartialEq)]
            pub struct $Section {
                $(
                    $(#[doc = $bounds])+
                    pub $key: $type,
                )+
            }

            impl Default for $Section {
                fn default() -> Self {
                    Self { $($key: $default),+ }
                }
            }

            impl $Section {
                fn read(root: &mut Section<'_>, report: &mut Report<'_>) -> Option<Self> {
                    let mut section = root.section(report, stringify!($section));
                    $(
                        let number = section.number_in(report, stringify!($key), $least..=$most);
                        let $key = number.map(|number| number.map_or(Some($default), |number| {
                            <$type>::try_from(number).ok()
                        })).flatten();
                    )+
                    section.finish(report);
                    Some(Self { $($key: $key?),+ })
                }
            }
        )+

        /// `[limits]`.
        #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
        pub struct Limits {
            $(
                $(#[doc = $about])+
                pub $section: $Section,
            )+
        }

        impl Limits {
            /// Every limit, in the order of the file.
            pub const ALL: &[Limit] = &[$($(
                Limit {
                    section: stringify!($section),
                    key: stringify!($key),
                    default: $default,
                    least: $least,
                    most: $most,
                    bounds: concat!($($bounds, "\n"),+),
                },
            )+)+];

            /// The sections with what they are about, in the order of the file.
            pub const SECTIONS: &[(&str, &str)] =
                &[$((stringify!($section), concat!($($about, "\n"),+)),)+];

            fn read_sections(section: &mut Section<'_>, report: &mut Report<'_>) -> Option<Self> {
                $(let $section = $Section::read(section, report);)+
                Some(Self { $($section: $section?),+ })
            }
        }
    };
}

limits! {
    /// Connections to the federation and client listeners; each listener counts for itself.
    connections: ConnectionLimits {
        /// Open connections. At the limit, whoever connects waits in the system's queue.
        open_max: usize = 4_096, 16 to 1_000_000;
        /// Connections on which no peer or device has proven who it is yet. At the limit, the network
        /// with the most of them loses its oldest.
        unproven_max: usize = 1_024, 2 to 1_000_000;
        /// Of them, of one network (an IPv4 address, or the /64 of an IPv6 address).
        unproven_per_network_max: usize = 128, 1 to 1_000_000;
        /// Connections of one proven peer.
        per_peer_max: usize = 64, 1 to 1_000_000;
        /// Connections of one signed-in device.
        per_device_max: usize = 16, 1 to 1_000_000;
        /// Connections that one network may open at once; then one more per refill.
        openings_per_network_max: u32 = 512, 1 to 1_000_000;
        /// Milliseconds after which one of them comes back.
        opening_refill_ms: u64 = 20, 1 to 3_600_000;
        /// Milliseconds for the TLS handshake, then for the first request, and for the headers of each
        /// HTTP/1.1 request.
        handshake_ms_max: u64 = 10_000, 100 to 600_000;
        /// Milliseconds without a request, as long as nobody is proven.
        unproven_idle_ms_max: u64 = 30_000, 100 to 3_600_000;
        /// Milliseconds without a request, of who is proven.
        idle_ms_max: u64 = 300_000, 1_000 to 86_400_000;
        /// Milliseconds in which a finished answer has to be taken, or a piece of a file or stream.
        answer_ms_max: u64 = 60_000, 100 to 3_600_000;
        /// Mebibytes that still come from the other side and are thrown away unread when a connection is
        /// closed: whoever is refused early reads why only if what it sends is taken.
        unread_mib_max: u64 = 32, 1 to 1_024;
        /// Milliseconds for that.
        unread_ms_max: u64 = 10_000, 1 to 600_000;
        /// Requests in flight on one HTTP/2 connection.
        streams_max: u32 = 128, 1 to 10_000;
        /// Octets of a request's line and headers.
        header_octets_max: u32 = 16_384, 8_192 to 1_048_576;
    }

    /// Requests being answered.
    requests: RequestLimits {
        /// Of all peers together.
        peers_max: usize = 1_024, 1 to 1_000_000;
        /// Of one peer.
        per_peer_max: usize = 128, 1 to 1_000_000;
        /// Of all local clients together; event streams do not count once they are open.
        clients_max: usize = 1_024, 1 to 1_000_000;
        /// Of one device.
        per_device_max: usize = 64, 1 to 1_000_000;
        /// Of one network, without credentials.
        anonymous_per_network_max: usize = 32, 1 to 1_000_000;
        /// Requests that one peer may make in a row; then one more per refill. Each 64 KiB of a body count
        /// as one more request.
        peer_burst_max: u32 = 10_000, 1 to 10_000_000;
        /// Microseconds after which one of them comes back.
        peer_refill_us: u64 = 1_000, 1 to 1_000_000_000;
        /// The same of one device.
        device_burst_max: u32 = 2_000, 1 to 10_000_000;
        /// Microseconds after which one of them comes back.
        device_refill_us: u64 = 10_000, 1 to 1_000_000_000;
        /// The same of one network, on connections on which nobody has proven anything.
        unproven_burst_max: u32 = 2_000, 1 to 10_000_000;
        /// Microseconds after which one of them comes back.
        unproven_refill_us: u64 = 5_000, 1 to 1_000_000_000;
        /// Milliseconds before somebody is told that it was one request too many.
        refusal_pause_ms: u64 = 250, 1 to 60_000;
        /// Milliseconds in which a body has to arrive.
        body_ms_max: u64 = 30_000, 100 to 3_600_000;
        /// Mebibytes of bodies held at once, of all peers or of all clients.
        bodies_mib_max: u64 = 512, 16 to 1_048_576;
        /// Of one peer. The largest body has 16.
        bodies_per_peer_mib_max: u64 = 64, 16 to 1_048_576;
        /// Of one device.
        bodies_per_device_mib_max: u64 = 32, 16 to 1_048_576;
        /// Requests of one peer that are worked on at the same time; its others wait their turn.
        working_per_peer_max: usize = 16, 1 to 10_000;
        /// Of one device.
        working_per_device_max: usize = 4, 1 to 10_000;
        /// Large updates of one peer, or one device, that are verified at the same time.
        verifying_max: usize = 2, 1 to 1_000;
    }

    /// Passwords that may be tried.
    sign_in: SignInLimits {
        /// Wrong ones in a row for one user; then one more per refill.
        wrong_per_user_max: u32 = 10, 1 to 1_000_000;
        /// Wrong ones in a row from one network; then one more per refill.
        wrong_per_network_max: u32 = 100, 1 to 1_000_000;
        /// Milliseconds after which one of either comes back.
        refill_ms: u64 = 60_000, 1 to 86_400_000;
    }

    /// Accounts.
    accounts: AccountLimits {
        /// Devices of one user.
        devices_per_user_max: usize = 32, 1 to 1_000;
        /// KeyPackages in stock of one device.
        key_packages_per_device_max: u64 = 200, 1 to 100_000;
    }

    /// Rooms. How many people and devices may be in one is the business of `[policy]`.
    rooms: RoomLimits {
        /// Rooms that this provider hosts or follows when one more is founded here.
        known_max: u64 = 1_000_000, 1 to 1_000_000_000;
        /// Rooms that one user may found in a row; then one more per refill.
        foundings_per_user_max: u32 = 200, 1 to 1_000_000;
        /// Milliseconds after which one of them comes back.
        founding_refill_ms: u64 = 60_000, 1 to 86_400_000;
        /// Clients that a room may begin with.
        founding_clients_max: usize = 256, 1 to 10_000;
        /// Rooms of one hub that begin to be followed in a row; then one more per refill.
        followings_per_peer_max: u32 = 5_000, 1 to 1_000_000;
        /// Milliseconds after which one of them comes back.
        following_refill_ms: u64 = 10_000, 1 to 86_400_000;
        /// Rooms kept in memory: of those hosted here, and again of those followed.
        hot_max: usize = 1_024, 33 to 1_000_000;
        /// Mebibytes of their snapshots; a room in memory takes a few times that.
        hot_mib_max: usize = 512, 1 to 1_048_576;
        /// Proposals that wait in a room for a commit. The hub's own find room beyond it.
        pending_proposals_max: usize = 1_024, 1 to 16_384;
        /// Of them, of one sender.
        pending_proposals_per_sender_max: usize = 256, 1 to 16_384;
        /// Join links of a room.
        join_links_max: usize = 256, 1 to 4_096;
        /// Wrong join codes in a row of one user; then one more per refill.
        wrong_codes_per_user_max: u32 = 20, 1 to 1_000_000;
        /// Wrong join codes in a row of all users of one provider; then one more per refill.
        wrong_codes_per_provider_max: u32 = 2_000, 1 to 1_000_000;
        /// Milliseconds after which one of either comes back.
        wrong_code_refill_ms: u64 = 60_000, 1 to 86_400_000;
    }

    /// What is kept for good in the logs of rooms, hosted and followed.
    logs: LogLimits {
        /// Mebibytes that one peer adds in a row; then one more per refill.
        peer_mib_max: u32 = 2_048, 1 to 1_048_576;
        /// Milliseconds after which one of them comes back.
        peer_mib_refill_ms: u64 = 5_000, 2 to 86_400_000;
        /// Mebibytes that one device adds in a row; then one more per refill.
        device_mib_max: u32 = 256, 1 to 1_048_576;
        /// Milliseconds after which one of them comes back.
        device_mib_refill_ms: u64 = 30_000, 2 to 86_400_000;
        /// Mebibytes that one peer, or one device, adds to one room in a row; then one more per refill.
        room_mib_max: u32 = 128, 1 to 1_048_576;
        /// Milliseconds after which one of them comes back.
        room_mib_refill_ms: u64 = 30_000, 2 to 86_400_000;
    }

    /// Reports of abuse.
    reports: ReportLimits {
        /// Messages in one report.
        messages_max: usize = 64, 1 to 4_096;
        /// Open reports of one provider.
        open_per_provider_max: usize = 1_000, 1 to 1_000_000;
        /// Mebibytes of all of them.
        open_per_provider_mib_max: usize = 64, 16 to 1_048_576;
    }

    /// What is asked of other providers and kept of them.
    peers: PeerLimits {
        /// Providers whose directories and client issuers are kept.
        known_max: usize = 16_384, 1 to 1_000_000;
        /// Providers to which connections are kept open.
        links_max: usize = 1_024, 1 to 100_000;
        /// Milliseconds from a request to the last octet of its answer.
        exchange_ms_max: u64 = 30_000, 100 to 600_000;
        /// The same for a directory, which others may be waiting for.
        directory_ms_max: u64 = 10_000, 100 to 600_000;
        /// Deliveries in flight to one provider.
        deliveries_per_peer_max: usize = 32, 1 to 10_000;
    }

    /// Files fetched from other providers, for their providers' peers and for our own people.
    proxy: ProxyLimits {
        /// Milliseconds to find a file's host and to connect to it.
        connect_ms_max: u64 = 10_000, 100 to 600_000;
        /// Milliseconds from the request to the head of the answer.
        head_ms_max: u64 = 20_000, 100 to 600_000;
        /// Milliseconds in which nothing of the file comes.
        silence_ms_max: u64 = 30_000, 100 to 600_000;
        /// Milliseconds for the whole file.
        download_ms_max: u64 = 600_000, 100 to 86_400_000;
    }

    /// Downloads by Oblivious HTTP.
    oblivious: ObliviousLimits {
        /// Requests that the gateway answers at once: each holds up to a mebibyte of a file, a few
        /// times over.
        answered_max: usize = 64, 1 to 10_000;
        /// Of them, of one provider.
        answered_per_provider_max: usize = 16, 1 to 10_000;
        /// Requests that are relayed at once, for all of our own people.
        relayed_max: usize = 64, 1 to 10_000;
        /// Of them, of one user.
        relayed_per_user_max: usize = 8, 1 to 10_000;
    }
}

const MIB: u64 = 1024 * 1024;

impl Limits {
    /// What the decisions about rooms, accounts and reports are handed.
    pub(crate) fn of_decisions(&self) -> mimi_provider::Limits {
        let Self { accounts, rooms, reports, .. } = self;
        mimi_provider::Limits {
            pending_proposals_max: rooms.pending_proposals_max,
            pending_proposals_per_sender_max: rooms.pending_proposals_per_sender_max,
            join_links_max: rooms.join_links_max,
            devices_per_user_max: accounts.devices_per_user_max,
            key_packages_per_device_max: accounts.key_packages_per_device_max,
            reported_messages_max: reports.messages_max,
            open_reports_per_provider_max: reports.open_per_provider_max,
            open_report_octets_per_provider_max: reports.open_per_provider_mib_max * 1024 * 1024,
        }
    }
}

impl RequestLimits {
    /// For a whole body.
    pub(crate) fn body_max(&self) -> Duration {
        Duration::from_millis(self.body_ms_max)
    }

    /// Octets of bodies held at once: of all, of one peer, of one device.
    pub(crate) fn body_octets(&self) -> [u64; 3] {
        let Self { bodies_mib_max, bodies_per_peer_mib_max, bodies_per_device_mib_max, .. } = self;
        [bodies_mib_max, bodies_per_peer_mib_max, bodies_per_device_mib_max].map(|mib| mib * MIB)
    }
}

/// `None` after a fault; every fault is in the report.
pub(super) fn read(root: &mut Section<'_>, report: &mut Report<'_>) -> Option<Limits> {
    let mut section = root.section(report, "limits");
    let limits = Limits::read_sections(&mut section, report);
    section.finish(report);
    let limits = limits?;
    let Limits { connections, requests, rooms, oblivious, .. } = &limits;
    // A share that is larger than the whole protects nobody.
    let shares = [
        ("limits.connections.unproven_max", connections.unproven_max, connections.open_max),
        (
            "limits.connections.unproven_per_network_max",
            connections.unproven_per_network_max,
            connections.unproven_max,
        ),
        ("limits.requests.per_peer_max", requests.per_peer_max, requests.peers_max),
        ("limits.requests.per_device_max", requests.per_device_max, requests.clients_max),
        (
            "limits.rooms.pending_proposals_per_sender_max",
            rooms.pending_proposals_per_sender_max,
            rooms.pending_proposals_max,
        ),
        (
            "limits.oblivious.answered_per_provider_max",
            oblivious.answered_per_provider_max,
            oblivious.answered_max,
        ),
        (
            "limits.oblivious.relayed_per_user_max",
            oblivious.relayed_per_user_max,
            oblivious.relayed_max,
        ),
    ];
    let mut sound = true;
    for (key, share, whole) in shares {
        if share > whole {
            let valid = format!("may not exceed what it is a share of: {share} of {whole}");
            report.note_remembered(key, &valid);
            sound = false;
        }
    }
    sound.then_some(limits)
}
