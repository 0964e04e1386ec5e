use std::net::IpAddr;

use mimi_provider::budget::REMEMBERED_MAX;
use mimi_wire::MimiUri;

use super::{LoginLimit, TooMany, network};
use crate::config::SignInLimits;

const ATTEMPTS_PER_USER_MAX: u32 = 10;
const ATTEMPTS_PER_ADDRESS_MAX: u32 = 100;
const ATTEMPT_REFILL_MS: u64 = 60_000;

const NOW_MS: u64 = 1_790_000_000_000;

fn user(name: &str) -> MimiUri {
    format!("mimi://a.example/u/{name}").parse().unwrap()
}

fn address(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

#[test]
fn a_user_can_be_guessed_at_only_so_often_from_anywhere() {
    let limit = LoginLimit::new(&SignInLimits::default());
    for attempt in 0..ATTEMPTS_PER_USER_MAX {
        let _ =
            limit.attempt(&user("alice"), address(u8::try_from(attempt).unwrap()), NOW_MS).unwrap();
    }
    let refused = limit.attempt(&user("alice"), address(99), NOW_MS).unwrap_err();
    assert_eq!(refused, TooMany { retry_after_s: ATTEMPT_REFILL_MS / 1_000 });
    let _ = limit.attempt(&user("bob"), address(99), NOW_MS).unwrap();
    let later = NOW_MS + ATTEMPT_REFILL_MS;
    let _ = limit.attempt(&user("alice"), address(99), later).unwrap();
    limit.attempt(&user("alice"), address(99), later).unwrap_err();
}

#[test]
fn an_address_can_guess_only_so_often_at_anyone() {
    let limit = LoginLimit::new(&SignInLimits::default());
    for attempt in 0..ATTEMPTS_PER_ADDRESS_MAX {
        let _ = limit.attempt(&user(&format!("u{attempt}")), address(1), NOW_MS).unwrap();
    }
    limit.attempt(&user("alice"), address(1), NOW_MS).unwrap_err();
    let _ = limit.attempt(&user("alice"), address(2), NOW_MS).unwrap();
}

#[test]
fn right_passwords_do_not_count() {
    let limit = LoginLimit::new(&SignInLimits::default());
    for _ in 0..100 {
        limit.attempt(&user("alice"), address(1), NOW_MS).unwrap().succeeded();
    }
}

#[test]
fn memory_is_bounded_and_forgets_the_worst_guesser_last() {
    let limit = LoginLimit::new(&SignInLimits::default());
    for _ in 0..ATTEMPTS_PER_USER_MAX {
        let _ = limit.attempt(&user("alice"), address(1), NOW_MS).unwrap();
    }
    for number in 0..2 * REMEMBERED_MAX {
        let octets = u32::try_from(number).unwrap().to_be_bytes();
        let _ = limit.attempt(&user(&format!("u{number}")), IpAddr::from(octets), NOW_MS).unwrap();
    }
    let budgets = limit.0.lock().unwrap();
    assert!(budgets.users.remembered() <= REMEMBERED_MAX);
    assert!(budgets.addresses.remembered() <= REMEMBERED_MAX);
    drop(budgets);
    limit.attempt(&user("alice"), address(2), NOW_MS).unwrap_err();
}

#[test]
fn addresses_of_one_network_count_together() {
    let of = |text: &str| network(text.parse().unwrap());
    assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
    assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
}
