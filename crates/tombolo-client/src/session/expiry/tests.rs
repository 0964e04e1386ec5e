use mimi_wire::content::Expiration;
use mimi_wire::room::message_expiration_policy::{ExpirationRange, MessageExpiration};
use mimi_wire::room::optionality::Conditional;

use super::{Lifetime, check_choice, of_new_message, of_received};

fn range(default_expiration_duration: Option<u32>) -> ExpirationRange {
    ExpirationRange {
        min_expiration_duration: 60,
        max_expiration_duration: 600,
        default_expiration_duration,
    }
}

fn policies() -> [Option<MessageExpiration>; 5] {
    let policy = |expiring_messages| Some(MessageExpiration { expiring_messages });
    [
        None,
        policy(Conditional::Optional(range(None))),
        policy(Conditional::Optional(range(Some(300)))),
        policy(Conditional::Required(range(Some(300)))),
        policy(Conditional::Forbidden),
    ]
}

fn relative(time: u32) -> Option<Expiration> {
    Some(Expiration { relative: true, time })
}

fn absolute(time: u32) -> Option<Expiration> {
    Some(Expiration { relative: false, time })
}

/// POLICY-EXPR-1: every choice in a room of every policy, and what is sent always keeps to it.
#[test]
fn what_is_sent_keeps_to_the_policy() {
    use Lifetime as L;
    let chosen = [L::AsSuggested, L::Unlimited, L::Seconds(59), L::Seconds(120), L::Seconds(601)];
    let expected = [
        [None, None, relative(59), relative(120), relative(601)],
        [None, None, relative(60), relative(120), relative(600)],
        [relative(300), None, relative(60), relative(120), relative(600)],
        [relative(300), relative(300), relative(60), relative(120), relative(600)],
        [None; 5],
    ];
    for (policy, expected) in policies().iter().zip(expected) {
        for (chosen, expected) in chosen.iter().zip(expected) {
            let expires = of_new_message(policy.as_ref(), *chosen);
            assert_eq!(expires, expected, "{chosen:?} under {policy:?}");
            assert!(policy.as_ref().is_none_or(|policy| policy.allows(expires, 0)));
        }
    }
    // Without a suggestion, as long as may be.
    let required = MessageExpiration { expiring_messages: Conditional::Required(range(None)) };
    assert_eq!(of_new_message(Some(&required), L::AsSuggested), relative(600));
}

/// POLICY-EXPR-1, AMB-CNT-20: what is received ends as the room allows, whatever it says.
#[test]
fn what_is_received_lives_as_the_policy_wants_it() {
    const ACCEPTED_MS: u64 = 1_000_000_000;
    let cases = [
        // Sent so, and what becomes of it under each policy.
        (None, [None, None, None, relative(300), None]),
        (relative(120), [relative(120), relative(120), relative(120), relative(120), None]),
        (relative(5), [relative(5), relative(60), relative(60), relative(60), None]),
        (relative(601), [relative(601), relative(600), relative(600), relative(600), None]),
        (
            absolute(1_000_120),
            [
                absolute(1_000_120),
                absolute(1_000_120),
                absolute(1_000_120),
                absolute(1_000_120),
                None,
            ],
        ),
        (
            absolute(5),
            [absolute(5), absolute(1_000_060), absolute(1_000_060), absolute(1_000_060), None],
        ),
    ];
    for (sent, expected) in cases {
        for (policy, expected) in policies().iter().zip(expected) {
            let became = of_received(policy.as_ref(), sent, ACCEPTED_MS);
            assert_eq!(became, expected, "{sent:?} under {policy:?}");
            assert!(policy.as_ref().is_none_or(|policy| policy.allows(became, ACCEPTED_MS)));
        }
    }
}

/// POLICY-EXPR-1: the bounds, each at its limit and beyond.
#[test]
fn what_may_be_chosen() {
    use Lifetime as L;
    let [none, optional, _, required, forbidden] = policies();
    for (policy, chosen, may) in [
        (&none, L::Seconds(365 * 86_400), true),
        (&none, L::Seconds(365 * 86_400 + 1), false),
        (&optional, L::Seconds(59), false),
        (&optional, L::Seconds(60), true),
        (&required, L::Seconds(600), true),
        (&required, L::Seconds(601), false),
        (&optional, L::Unlimited, true),
        (&required, L::Unlimited, false),
        (&required, L::AsSuggested, true),
        (&forbidden, L::Unlimited, true),
        (&forbidden, L::Seconds(60), false),
    ] {
        let checked = check_choice(policy.as_ref(), chosen);
        assert_eq!(checked.is_ok(), may, "{chosen:?} under {policy:?}: {checked:?}");
    }
}
