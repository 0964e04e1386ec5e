//! Who makes way when too many providers are known: whoever has many domains must not push out those
//! who have one.

use std::collections::HashMap;

use mimi_wire::Domain;

/// Of known providers with the time each was learned of (any clock): the oldest of the family with the
/// most. `None` if there are none.
pub(crate) fn makes_way<'a>(known: impl Iterator<Item = (&'a Domain, u64)>) -> Option<Domain> {
    let mut families: HashMap<&str, (usize, u64, &Domain)> = HashMap::new();
    for (domain, learned) in known {
        let (count, oldest, of) = families.entry(family(domain)).or_insert((0, learned, domain));
        *count += 1;
        if learned < *oldest {
            (*oldest, *of) = (learned, domain);
        }
    }
    let largest =
        families.into_values().max_by_key(|(count, oldest, _)| (*count, u64::MAX - oldest));
    largest.map(|(_, _, domain)| domain.clone())
}

/// Whoever has a domain has all below it. Without a list of public suffixes the last two labels say
/// best whose it is.
fn family(domain: &Domain) -> &str {
    let text = domain.as_str();
    let dots = text.rmatch_indices('.').nth(1);
    dots.map_or(text, |(at, _)| &text[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_the_largest_family_makes_way() {
        let domain = |name: &str| Domain::new(name).unwrap();
        let made_way = |known: &[(&str, u64)]| {
            let known: Vec<_> = known.iter().map(|(name, at)| (domain(name), *at)).collect();
            makes_way(known.iter().map(|(domain, at)| (domain, *at)))
        };
        assert_eq!(made_way(&[]), None);
        assert_eq!(made_way(&[("a.example", 2), ("b.example", 1)]), Some(domain("b.example")));
        let many = [("a.example", 1), ("x.evil.test", 3), ("y.evil.test", 2), ("b.example", 4)];
        assert_eq!(made_way(&many), Some(domain("y.evil.test")));
        let own_name = [("a.example", 1), ("evil.test", 9), ("x.evil.test", 8), ("b.example", 0)];
        assert_eq!(made_way(&own_name), Some(domain("x.evil.test")));
        assert_eq!(family(&domain("localhost")), "localhost");
    }
}
