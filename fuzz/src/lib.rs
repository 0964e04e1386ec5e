//! The targets. Their modules are shared with the replay on the stable compiler.

pub mod allocation;
pub mod built;
pub mod ohttp;
pub mod render;
pub mod wire;

/// Every target.
pub fn all() -> impl Iterator<Item = wire::Target> {
    wire::TARGETS.iter().chain(render::TARGETS).chain(ohttp::TARGETS).copied()
}

/// Runs the target of that name.
pub fn run(name: &str, octets: &[u8]) {
    let target = all().find(|(known, _)| *known == name);
    let (_, target) = target.expect("the name of a target");
    target(octets);
}
