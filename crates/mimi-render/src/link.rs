//! Where links lead, and whether their text says so.

use mimi_wire::content::parts::PartIndex;
use mimi_wire::{MimiUri, UriKind};
use unicode_security::MixedScript;
use unicode_security::confusable_detection::skeleton;
use url::Url;

use crate::markdown::{Inline, plain_of};

/// A link or an image with its text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Link {
    /// Where it leads.
    pub target: LinkTarget,
    /// What is shown; of an image its description.
    pub text: Vec<Inline>,
}

/// Where a link leads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LinkTarget {
    /// Something of MIMI; a user who is a member is a mention.
    Mimi(MimiUri),
    /// An http or https URL, in its canonical spelling with an ASCII host.
    Web(String),
    /// Another part of the same message (CONTENT-PART-3).
    Part(PartIndex),
    /// Anything else, e.g. a script: to be shown, never to be followed.
    Refused(String),
}

/// Why a person is to be asked before following a link (CONTENT-LINK-1).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum LinkWarning {
    /// The text is no address: the person cannot see where it leads.
    Text,
    /// The text says https and the link http.
    Downgrade,
    /// The text is the address of something else.
    OtherTarget,
    /// Text or address are made to look like something else: the text is written backwards or has
    /// characters nobody sees, the address has a user's name before the host, or a host of letters
    /// that look like others.
    Deceptive,
    /// It must not be followed at all.
    Refused,
}

/// A link to a member of the room (CONTENT-LINK-2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mention {
    /// Who is mentioned.
    pub user: MimiUri,
    /// How the sender would show it: only a hint.
    pub hint: String,
}

impl LinkTarget {
    /// Reads the destination of a link.
    pub fn parse(destination: &str) -> Self {
        let destination = destination.trim();
        if let Ok(uri) = MimiUri::new(destination) {
            return Self::Mimi(uri);
        }
        if let Some(index) = PartIndex::from_cid(destination) {
            return Self::Part(index);
        }
        match Url::parse(destination) {
            Ok(url) if is_web(&url) => Self::Web(url.into()),
            _ => Self::Refused(destination.to_owned()),
        }
    }
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

impl Link {
    /// Whether and why to ask before following it (CONTENT-LINK-1).
    pub fn warning(&self) -> Option<LinkWarning> {
        warning(&plain_of(&self.text), &self.target)
    }

    /// The mention that it is, if it leads to a user who is a member (CONTENT-LINK-2).
    pub fn mention(&self, is_member: impl Fn(&MimiUri) -> bool) -> Option<Mention> {
        mention(&plain_of(&self.text), &self.target, is_member)
    }
}

pub(crate) fn mention(
    text: &str,
    target: &LinkTarget,
    is_member: impl Fn(&MimiUri) -> bool,
) -> Option<Mention> {
    match target {
        LinkTarget::Mimi(user) if user.is_user() && is_member(user) => {
            Some(Mention { user: user.clone(), hint: text.to_owned() })
        }
        _ => None,
    }
}

pub(crate) fn warning(text: &str, target: &LinkTarget) -> Option<LinkWarning> {
    let text = text.trim();
    match target {
        LinkTarget::Refused(_) => return Some(LinkWarning::Refused),
        LinkTarget::Part(_) => return None,
        _ if text.chars().any(is_unseen) => return Some(LinkWarning::Deceptive),
        _ => {}
    }
    let url = match target {
        LinkTarget::Refused(_) | LinkTarget::Part(_) => return None,
        // The text of a mention is a hint; that of a link into MIMI must not look like another.
        LinkTarget::Mimi(uri) => {
            let claims_other = text.starts_with("mimi:") && text != uri.as_str();
            let elsewhere = claimed_url(text).is_some();
            let plain = uri.kind() == UriKind::User || text == uri.as_str();
            return match claims_other || elsewhere {
                true => Some(LinkWarning::OtherTarget),
                false => (!plain).then_some(LinkWarning::Text),
            };
        }
        LinkTarget::Web(url) => url,
    };
    let is_deceptive = |url: &Url| {
        let has_user = !url.username().is_empty() || url.password().is_some();
        has_user || url.host_str().is_some_and(is_look_alike)
    };
    let addresses = [Url::parse(url).ok(), claimed_url(text).map(|(claimed, _)| claimed)];
    if addresses.iter().flatten().any(is_deceptive) {
        return Some(LinkWarning::Deceptive);
    }
    if text == url {
        return None;
    }
    let (Some((claimed, names_scheme)), Ok(url)) = (claimed_url(text), Url::parse(url)) else {
        let claims_other = text.starts_with("mimi:");
        return Some(if claims_other { LinkWarning::OtherTarget } else { LinkWarning::Text });
    };
    if without_scheme(&claimed) != without_scheme(&url) {
        return Some(LinkWarning::OtherTarget);
    }
    let downgraded = names_scheme && claimed.scheme() == "https" && url.scheme() == "http";
    downgraded.then_some(LinkWarning::Downgrade)
}

/// Characters that are not shown, or that turn the direction of others.
fn is_unseen(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
    )
}

/// Whether a label of a host mixes scripts, or is in another script and looks like ASCII (Unicode
/// Technical Standard 39). A host in one script that looks like itself is nobody's fault.
fn is_look_alike(host: &str) -> bool {
    let (host, _) = idna::domain_to_unicode(host);
    host.split('.').filter(|label| !label.is_ascii()).any(|label| {
        let looks_like_ascii = skeleton(label).all(|character| character.is_ascii());
        !label.is_single_script() || looks_like_ascii
    })
}

/// The address that a text is or looks like, and whether it names its scheme. A text without one is
/// an address if it starts with a host that has a dot.
fn claimed_url(text: &str) -> Option<(Url, bool)> {
    if text.chars().any(char::is_whitespace) {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("http:") || lower.starts_with("https:") {
        return Url::parse(text).ok().filter(is_web).map(|url| (url, true));
    }
    let host = text.split(['/', '?', '#', ':']).next().unwrap_or_default();
    let looks_like_host = host.trim_matches('.').contains('.') && !host.contains('@');
    if !looks_like_host {
        return None;
    }
    Url::parse(&format!("https://{text}")).ok().filter(is_web).map(|url| (url, false))
}

/// Host, port, path and what follows; canonical, since the library has read it.
fn without_scheme(url: &Url) -> (Option<&str>, Option<u16>, &str, Option<&str>, Option<&str>) {
    // The default ports of both schemes stand for "none": they are what the scheme implies.
    let port = url.port().filter(|port| !matches!(port, 80 | 443));
    (url.host_str(), port, url.path(), url.query(), url.fragment())
}

#[cfg(test)]
mod tests;
