//! Texts of MIMI messages, made safe to show (content-08 sections 7.1.1 and 9.6).
//!
//! Markdown becomes a tree that holds no HTML, whatever was sent (CONTENT-GFM-1); HTML is
//! sanitised; links tell where they lead, are flagged where their text says otherwise
//! (CONTENT-LINK-1), and are mentions where they lead to a member (CONTENT-LINK-2). Nothing here
//! fetches anything. A crate of its own, because servers read no messages and need no HTML parser.
//!
//! ```
//! use mimi_render::Text;
//!
//! let text = Text::from_markdown("see [https://a.example/](https://evil.example/) <b>now</b>");
//! let links = text.links();
//! assert_eq!(links[0].warning(), Some(mimi_render::LinkWarning::OtherTarget));
//! assert!(text.plain().contains("<b>now</b>"));
//! ```
//!
//! | to | see |
//! |---|---|
//! | show Markdown of a message | [`Text::from_markdown`] |
//! | write Markdown into a message | [`escape_html_tags`] |
//! | show HTML of a message | [`SafeHtml::sanitize`] |
//! | ask before a link is followed | [`Link::warning`], [`HtmlLink::warning`] |
//! | find who is mentioned | [`Text::mentions`], [`SafeHtml::mentions`] |
//!
//! Any input is taken, of any size and depth, in time that grows with its length: Markdown is shown
//! at most 32 levels deep, HTML beyond [`HTML_OCTETS_MAX`] or [`HTML_TAGS_MAX`] as its source.

#![warn(missing_docs)]

mod html;
mod link;
mod markdown;

pub use html::{HTML_OCTETS_MAX, HTML_TAGS_MAX, HtmlLink, SafeHtml};
pub use link::{Link, LinkTarget, LinkWarning, Mention};
pub use markdown::{Alignment, Block, Inline, Item, Text, escape_html_tags};
