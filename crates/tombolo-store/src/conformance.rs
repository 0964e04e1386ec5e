//! What every backend does, as tests that each backend runs.
//!
//! [`conformance_suite!`](crate::conformance_suite) makes one test of each case; a backend adds
//! only what is its own: its files, its locks, what it survives.

pub mod accounts;
pub mod atomicity;
pub mod consent;
pub mod delivery;
pub mod eras;
pub mod facts;
pub mod key_packages;
pub mod log;
pub mod profiles;
pub mod restart;
pub mod rooms;
pub mod visibility;

use mimi_provider::{Change, Expect};

use crate::{Commit, Committed, Store, StoreError, StoreFuture};

/// A backend under test.
pub trait Subject {
    /// Its store.
    type Store: Store;

    /// Opens the store: empty at first; once the one before has been dropped, with its content.
    fn open(&self) -> Self::Store;
}

/// A store whose content outlives its handles.
#[derive(Debug)]
pub struct Kept<S>(pub S);

impl<S: Store + Clone> Subject for Kept<S> {
    type Store = S;

    fn open(&self) -> S {
        self.0.clone()
    }
}

/// Commits changes without conditions.
pub fn write(
    store: &impl Store,
    changes: impl IntoIterator<Item = Change>,
) -> StoreFuture<'static, Committed> {
    write_if(store, [], changes)
}

/// Commits changes under conditions.
pub fn write_if(
    store: &impl Store,
    expect: impl IntoIterator<Item = Expect>,
    changes: impl IntoIterator<Item = Change>,
) -> StoreFuture<'static, Committed> {
    store.commit(Commit {
        expect: expect.into_iter().collect(),
        changes: changes.into_iter().collect(),
    })
}

/// Whether a commit lost a race.
pub fn lost<T>(outcome: &Result<T, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Conflict(_)))
}

/// One test per case of the suite. Takes the path of a function that makes a
/// [`Subject`]; the calling crate needs `tokio` with `macros`.
#[macro_export]
macro_rules! conformance_suite {
    ($subject:path) => {
        $crate::conformance_suite! { @ $subject =>
            accounts {
                an_account_is_created_once,
                claims_of_an_account_are_set,
                a_device_is_found_by_its_token,
                a_device_changes_while_it_is_there,
                a_token_is_of_one_device,
                a_device_joins_its_users_stream,
                a_removed_device_leaves_nothing,
                a_removed_account_leaves_nothing,
                removals_are_owed_until_they_are_done,
                who_is_signed_out_is_owed_its_removals,
            }
            atomicity {
                a_failing_change_leaves_nothing,
                a_failing_commit_leaves_the_others,
                commits_take_effect_in_the_order_of_calls,
                a_commit_nobody_awaits_is_written,
                one_of_many_appends_an_entry,
            }
            consent {
                the_latest_decision_of_a_scope_counts,
                requests_are_open_until_removed,
                what_was_asked_is_listed_until_removed,
                decisions_are_listed_and_counted,
                arrivals_wait_in_order,
                a_name_that_is_given_again_is_a_strangers,
            }
            delivery {
                a_peer_follows_from_where_it_began,
                a_batch_has_what_names_the_peer,
                a_batch_ends_before_it_is_too_large,
                who_is_behind_is_waiting,
                a_stale_peer_is_remembered,
            }
            eras {
                an_era_begins_at_the_logs_end,
                the_oldest_eras_are_forgotten,
            }
            key_packages {
                stock_is_oldest_first_and_unexpired,
                suites_are_counted_apart,
                a_key_package_is_released_once,
                one_of_many_gets_a_key_package,
                what_is_expired_is_forgotten,
            }
            log {
                entries_come_back_as_they_were,
                a_stream_has_no_gaps,
                an_expected_end_is_checked,
                ids_ascend_over_all_streams,
                a_log_is_read_in_parts,
            }
            profiles {
                a_profile_is_found_by_its_terms,
                a_replaced_profile_leaves_nothing,
                a_profile_goes_with_its_account,
                a_profile_is_written_with_its_commit,
            }
            restart {
                everything_is_still_there,
            }
            rooms {
                a_room_is_created_once,
                a_snapshot_only_gets_newer,
                rooms_of_clients_and_users,
                a_set_of_members_has_one_room,
                dependent_rooms_are_found_by_their_parent,
                hosted_rooms_are_listed,
            }
            visibility {
                a_client_sees_its_intervals,
                a_client_sees_what_is_for_it,
                streams_are_merged_by_id,
                a_long_history_is_searched,
                joining_twice_is_joining_once,
                a_cursor_only_moves_on,
                pages_hold_so_many_octets,
                the_end_of_the_log_is_known,
            }
        }
    };
    (@ $subject:path => $($area:ident { $($case:ident),* $(,)? })*) => {
        $(mod $area {
            $(#[tokio::test]
            async fn $case() {
                $crate::conformance::$area::$case(&$subject()).await;
            })*
        })*
    };
}
