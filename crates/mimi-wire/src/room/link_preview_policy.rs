//! Component 0x002B, `link_preview_policy` (room-policy-03 section 6.3). The update format is the data
//! format.

use serde::{Deserialize, Serialize};

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::room::optionality::{
    Conditional, Optionality, read_unless_forbidden, read_uris, write_texts,
};

/// `LinkPreviewPolicy`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LinkPreviewPolicy {
    /// Whether composers look for links in text; never required (POLICY-LP-1).
    pub autodetect_hyperlinks_in_text: Optionality,
    /// Whether senders attach previews.
    pub send_link_previews: Optionality,
    /// Whether receivers make previews themselves.
    pub automatic_link_previews: Optionality,
    /// Whether previews are made through a proxy, and which: a vector of at most one on the wire
    /// (AMB-POL-4), of exactly one where it is required.
    pub link_preview_proxy: Conditional<Option<String>>,
}

impl Wire for LinkPreviewPolicy {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "LinkPreviewPolicy.autodetect_hyperlinks_in_text";
        let start = reader.clone();
        let autodetect_hyperlinks_in_text = Optionality::read_field(reader, field)?;
        if autodetect_hyperlinks_in_text == Optionality::Required {
            return Err(start.malformed(field, "must not be required (POLICY-LP-1)"));
        }
        let send = "LinkPreviewPolicy.send_link_previews";
        let automatic = "LinkPreviewPolicy.automatic_link_previews";
        Ok(Self {
            autodetect_hyperlinks_in_text,
            send_link_previews: Optionality::read_field(reader, send)?,
            automatic_link_previews: Optionality::read_field(reader, automatic)?,
            link_preview_proxy: read_unless_forbidden(
                reader,
                "LinkPreviewPolicy.link_preview_proxy_use",
                read_proxy,
            )?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        self.autodetect_hyperlinks_in_text.write(writer);
        self.send_link_previews.write(writer);
        self.automatic_link_previews.write(writer);
        self.link_preview_proxy.write_with(writer, |writer, proxy| {
            write_texts(writer, proxy.as_slice());
        });
    }
}

fn read_proxy(
    reader: &mut Reader<'_>,
    proxy_use: Optionality,
) -> Result<Option<String>, Malformed> {
    let field = "LinkPreviewPolicy.link_preview_proxy";
    let start = reader.clone();
    let proxy = read_uris(reader, 1, field)?.pop();
    if proxy.is_none() && proxy_use == Optionality::Required {
        return Err(start.malformed(field, "a required proxy must be named (POLICY-LP-1)"));
    }
    Ok(proxy)
}
