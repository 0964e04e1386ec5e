//! HTML made safe by the `ammonia` library.

use ammonia::{Builder, UrlRelative, clean_text};
use mimi_wire::MimiUri;

use crate::link::{LinkTarget, LinkWarning, Mention, mention, warning};

/// Sanitised HTML: no scripts, styles, frames or forms; links of http, https and mimi; images only
/// of the same message, since any other would tell its host who reads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SafeHtml(String);

/// A link in sanitised HTML.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HtmlLink {
    /// Where it leads.
    pub target: LinkTarget,
    /// Its text, without markup.
    pub text: String,
}

/// Octets of HTML that are read as HTML.
pub const HTML_OCTETS_MAX: usize = 128 * 1024;
/// Tags in HTML that is read as HTML: what reads it takes time by the square of what is open.
pub const HTML_TAGS_MAX: usize = 4_096;

impl SafeHtml {
    /// Sanitises. Any text is HTML, so nothing is refused; what has more than [`HTML_OCTETS_MAX`]
    /// octets or [`HTML_TAGS_MAX`] tags is shown as its source.
    pub fn sanitize(html: &str) -> Self {
        let tags = html.bytes().filter(|octet| *octet == b'<').count();
        if html.len() > HTML_OCTETS_MAX || tags > HTML_TAGS_MAX {
            return Self(clean_text(html));
        }
        let mut builder = Builder::default();
        builder
            .url_schemes(["http", "https", "mimi", "cid"].into())
            .url_relative(UrlRelative::Deny)
            // Writes backwards, so that a link can look like another.
            .rm_tags(["bdo"])
            .link_rel(Some("noopener noreferrer nofollow"))
            .attribute_filter(|element, attribute, value| match (element, attribute) {
                (_, "src") => value.starts_with("cid:").then(|| value.into()),
                ("a", "href") => match LinkTarget::parse(value) {
                    LinkTarget::Refused(_) => None,
                    // What is followed is what was judged, in the same spelling.
                    LinkTarget::Web(url) => Some(url.into()),
                    LinkTarget::Mimi(_) | LinkTarget::Part(_) => {
                        Some(value.trim().to_owned().into())
                    }
                },
                (_, "cite" | "srcset" | "poster" | "background") => None,
                _ => Some(value.into()),
            });
        Self(builder.clean(html).to_string())
    }

    /// The HTML, to be shown in a page whose policy forbids scripts and remote content all the
    /// same.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What can be read, without markup, a line for each block; where links lead stands behind their
    /// text.
    pub fn to_text(&self) -> String {
        // What the library has written has no blank in the names of closing tags.
        const ENDS: [&str; 14] = [
            "<br>",
            "</p>",
            "</div>",
            "</li>",
            "</tr>",
            "</h1>",
            "</h2>",
            "</h3>",
            "</h4>",
            "</h5>",
            "</h6>",
            "</blockquote>",
            "</pre>",
            "<hr>",
        ];
        let mut marked = self.with_targets();
        for end in ENDS {
            marked = marked.replace(end, "\n");
        }
        let text = unescaped(&without_tags(&marked));
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.collect::<Vec<_>>().join("\n")
    }

    /// With the target of each link behind its text, unless it is that.
    fn with_targets(&self) -> String {
        let mut pieces = self.0.split("<a ");
        let mut text = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let Some((attributes, rest)) = piece.split_once('>') else { continue };
            let (inner, after) = rest.split_once("</a>").unwrap_or((rest, ""));
            text.push_str(inner);
            match attribute(attributes, "href") {
                Some(href) if unescaped(&without_tags(inner)) != unescaped(href) => {
                    // Written as the library writes text.
                    text.push_str(&format!(" &lt;{}&gt;", href.replace('<', "&lt;")));
                }
                _ => {}
            }
            text.push_str(after);
        }
        text
    }

    /// Every link, in order. What the library has written has one form, so it is read as that.
    pub fn links(&self) -> Vec<HtmlLink> {
        let link = |rest: &str| {
            let (attributes, rest) = rest.split_once('>')?;
            let href = attribute(attributes, "href")?;
            let inner = rest.split_once("</a>").map_or(rest, |(inner, _)| inner);
            let target = LinkTarget::parse(&unescaped(href));
            Some(HtmlLink { target, text: unescaped(&without_tags(inner)) })
        };
        self.0.split("<a ").skip(1).filter_map(link).collect()
    }

    /// Members who are mentioned (CONTENT-LINK-2).
    pub fn mentions(&self, is_member: impl Fn(&MimiUri) -> bool) -> Vec<Mention> {
        let links = self.links();
        links.iter().filter_map(|link| mention(&link.text, &link.target, &is_member)).collect()
    }
}

impl HtmlLink {
    /// Whether and why to ask before following it (CONTENT-LINK-1).
    pub fn warning(&self) -> Option<LinkWarning> {
        warning(&self.text, &self.target)
    }
}

/// The value of an attribute. Quotes in values are written as references, so one that is there ends
/// the value, whatever the value says.
fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = attributes;
    while let Some((before, value_on)) = rest.split_once("=\"") {
        let (value, after) = value_on.split_once('"')?;
        if before.trim() == name {
            return Some(value);
        }
        rest = after;
    }
    None
}

fn without_tags(html: &str) -> String {
    let mut text = String::new();
    let mut in_tag = false;
    for character in html.chars() {
        match character {
            '<' => in_tag = true,
            '>' if in_tag => in_tag = false,
            _ if in_tag => {}
            _ => text.push(character),
        }
    }
    text
}

/// The references that the library writes; the last is its own sign.
fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&nbsp;", "\u{a0}")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests;
