//! The fuzz targets of texts on the stable compiler: over seeds, their cuts and changes, over what
//! is made to grow, and over what once crashed one.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "corpora are files")]
#![expect(unreachable_pub, reason = "public in the crate of the fuzz targets")]

#[path = "../../../fuzz/src/allocation.rs"]
#[expect(dead_code, reason = "the decoders' bound is for mimi-wire")]
mod allocation;
#[path = "../../../fuzz/src/corpora.rs"]
mod corpora;
#[path = "../../../fuzz/src/render.rs"]
mod render;

const MARKDOWN: &[&str] = &[
    "# One\n\n* two [three](https://a.example/) **four** _five_\n* [x] six\n\n> seven\n> > eight",
    "| a | b |\n|:-:|--:|\n| 1 | `2` |\n\n```rust\ncode\n```\n\n---\n1. ~~nine~~<b>ten</b>\\\nend",
    "[@Bob](mimi://b.example/u/bob) ![cat](cid:2@local.invalid) <https://c.example> [ref]\n\n[ref]: http://d.example",
    "<script>alert(1)</script> <!-- x --> [evil](javascript:alert(1)) &lt;&amp;&#0;",
];
const HTML: &[&str] = &[
    "<p onclick=x>a<a href='https://a.example/?q=1'>https://b.example/</a><br></p>",
    "<script>x</script><svg><style><img src=x onerror=y></style></svg><img src='cid:1@local.invalid'>",
    "<table><tr><td>1<td>2</table><math><mi></math>&lt;b&gt; <a title='a > b' href='mimi://a.example/u/x'>x</a>",
];
const LINKS: &[&str] = &[
    "https://a.example/\nhttps://a.example/",
    "a.example:443/x\nhttp://a.example/x",
    "mimi://a.example/u/x\nmimi://a.example/u/y",
    "xn--a\u{30fb}.example\ncid:3@local.invalid",
];

fn seeds() -> Vec<(&'static str, &'static str)> {
    let of = |target, seeds: &[&'static str]| seeds.iter().map(|it| (target, *it)).collect();
    let all: [Vec<_>; 3] = [of("markdown", MARKDOWN), of("html", HTML), of("link", LINKS)];
    all.concat()
}

fn run(name: &str, octets: &[u8]) {
    let (_, target) = render::TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    target(octets);
}

#[test]
fn targets_take_what_is_almost_a_seed() {
    for (_, seed) in seeds() {
        for (_, target) in render::TARGETS {
            target(seed.as_bytes());
        }
    }
    for (target, seed) in seeds() {
        for at in 0..seed.len() {
            run(target, &seed.as_bytes()[..at]);
            for other in b"<>[]()`*|\n \\&\"" {
                let mut changed = seed.as_bytes().to_vec();
                changed[at] = *other;
                run(target, &changed);
            }
        }
    }
}

/// What is short and would be long, deep or slow.
#[test]
fn nothing_grows_out_of_bounds() {
    let rows = |columns: usize, rows: usize| {
        format!("{}|\n{}|\n{}", "|a".repeat(columns), "|-".repeat(columns), "|\n".repeat(rows))
    };
    let texts = [
        rows(300, 3_000),
        "> ".repeat(20_000),
        "* ".repeat(20_000),
        "[".repeat(20_000),
        "![".repeat(10_000),
        "**a _b ".repeat(8_000),
        "`".repeat(20_000),
        "<a ".repeat(10_000),
        "<!--".repeat(10_000),
        "&amp;".repeat(10_000),
        "[a](<".repeat(8_000),
        "[a]: b\n".repeat(5_000),
        format!("{}{}", "[".repeat(200), "](a)".repeat(200)),
    ];
    for text in texts {
        run("markdown", text.as_bytes());
        run("link", text.as_bytes());
    }
    for element in ["<b>", "<a href=x>", "<table><tr><td>", "<svg>", "<p><ul><li>", "</p>", "&lt;"]
    {
        run("html", element.repeat(1_000).as_bytes());
    }
}

#[test]
fn what_once_crashed_does_so_no_more() {
    corpora::replay_crashes(render::TARGETS);
}

#[test]
fn every_target_has_a_file() {
    corpora::assert_files(render::TARGETS);
}

#[test]
#[ignore = "writes the seeds of the fuzz targets"]
fn write_corpora() {
    corpora::write(seeds());
}
