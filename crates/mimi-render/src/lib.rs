//! Texts of MIMI messages, made safe to show.
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

#![warn(missing_docs)]

mod html;
mod link;
mod markdown;

pub use html::{HTML_OCTETS_MAX, HTML_TAGS_MAX, HtmlLink, SafeHtml};
pub use link::{Link, LinkTarget, LinkWarning, Mention};
pub use markdown::{Alignment, Block, Inline, Item, Text, escape_html_tags};
