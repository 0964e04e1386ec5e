//! Octets from where a person has them: a file, standard input, or the command line, raw or as text.

use std::io::Read;
use std::path::Path;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use clap::ValueEnum;
use mimi_mls::identity::pem_to_der;
use mimi_wire::inspect::Fault;
use mimi_wire::limits::HANDSHAKE_BODY_OCTETS_MAX;

/// Octets or characters of one input: the largest body there is, as hex with a blank after each
/// octet.
pub(super) const INPUT_OCTETS_MAX: usize = 3 * HANDSHAKE_BODY_OCTETS_MAX;
/// Characters from which on a text may be taken for Base64. What is shorter is hardly anything of
/// MIMI, and easily a short binary value.
const BASE64_CHARACTERS_MIN: usize = 12;
/// What begins and ends the label of a PEM block.
const PEM_BEGIN: &str = "-----BEGIN ";
const PEM_DASHES: &str = "-----";

/// How the octets are written down.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Format {
    /// Text that is wholly hex, Base64 or PEM is read as such, anything else as it is
    Auto,
    /// As they are
    Raw,
    /// Two digits each; blanks, lines and `# comments` between them
    Hex,
    /// Base64 or base64url, with or without padding
    Base64,
    /// PEM
    Pem,
}

/// Octets, and how they were written down.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) octets: Vec<u8>,
    pub(super) format: Format,
    /// Whether they were marked as certificates.
    pub(super) is_certificate: bool,
}

impl Format {
    /// Its name on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Raw => "raw",
            Self::Hex => "hex",
            Self::Base64 => "base64",
            Self::Pem => "pem",
        }
    }
}

/// A fault of the input before anything of MIMI is looked at.
pub(super) fn input_fault(offset: usize, field: &str, message: impl Into<String>) -> Fault {
    Fault { class: "input", offset, field: field.to_owned(), message: message.into() }
}

/// What is in the file, or on standard input.
pub(super) fn read(file: Option<&Path>) -> Result<Vec<u8>, Fault> {
    match file {
        Some(path) if path.as_os_str() != "-" => {
            let wrong = |error: std::io::Error| {
                input_fault(0, "FILE", format!("cannot read {}: {error}", path.display()))
            };
            let file = std::fs::File::open(path).map_err(wrong)?;
            bounded(file).map_err(wrong)?.ok_or_else(too_large)
        }
        _ => {
            let wrong = |error: std::io::Error| {
                input_fault(0, "FILE", format!("cannot read standard input: {error}"))
            };
            bounded(std::io::stdin().lock()).map_err(wrong)?.ok_or_else(too_large)
        }
    }
}

fn bounded(from: impl Read) -> std::io::Result<Option<Vec<u8>>> {
    let mut octets = Vec::new();
    from.take(INPUT_OCTETS_MAX as u64 + 1).read_to_end(&mut octets)?;
    Ok((octets.len() <= INPUT_OCTETS_MAX).then_some(octets))
}

fn too_large() -> Fault {
    input_fault(INPUT_OCTETS_MAX, "FILE", format!("more than {INPUT_OCTETS_MAX} octets"))
}

/// The octets that the input stands for.
pub(super) fn decode(input: Vec<u8>, format: Format) -> Result<Input, Fault> {
    let plain = |octets, format| Input { octets, format, is_certificate: false };
    match format {
        Format::Raw => Ok(plain(input, format)),
        Format::Auto => match recognise(&input)? {
            Some(recognised) => Ok(recognised),
            None => Ok(plain(input, Format::Raw)),
        },
        Format::Hex => hex(text_of(&input, "hex")?).map(|octets| plain(octets, format)),
        Format::Base64 => base64(text_of(&input, "base64")?).map(|octets| plain(octets, format)),
        Format::Pem => pem(text_of(&input, "pem")?),
    }
}

fn text_of<'a>(input: &'a [u8], field: &str) -> Result<&'a str, Fault> {
    str::from_utf8(input).map_err(|error| input_fault(error.valid_up_to(), field, "not text"))
}

/// What a text stands for, if it is wholly of one of the formats.
fn recognise(input: &[u8]) -> Result<Option<Input>, Fault> {
    let Ok(text) = str::from_utf8(input) else { return Ok(None) };
    if text.contains(PEM_BEGIN) {
        return pem(text).map(Some);
    }
    let found = |octets, format| Some(Input { octets, format, is_certificate: false });
    match (hex(text), base64(text)) {
        (Ok(octets), _) if !octets.is_empty() => Ok(found(octets, Format::Hex)),
        (_, Ok(octets)) if text.trim().len() >= BASE64_CHARACTERS_MIN => {
            Ok(found(octets, Format::Base64))
        }
        _ => Ok(None),
    }
}

/// Digits, with blanks and comments between them, perhaps after `0x`.
fn hex(text: &str) -> Result<Vec<u8>, Fault> {
    let mut octets = Vec::with_capacity(text.len() / 2);
    let mut high: Option<u8> = None;
    let mut in_comment = false;
    let start = text.len() - text.trim_start().len();
    let prefix = if text.trim_start().starts_with("0x") { start + 2 } else { 0 };
    for (offset, character) in text.char_indices().filter(|(offset, _)| *offset >= prefix) {
        match character {
            '\n' => in_comment = false,
            '#' => in_comment = true,
            _ if in_comment || character.is_whitespace() => {}
            _ => {
                let digit = character.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                let Some(digit) = digit else {
                    let message = format!("{character:?} is no hexadecimal digit");
                    return Err(input_fault(offset, "hex", message));
                };
                match high.take() {
                    None => high = Some(digit),
                    Some(high) => octets.push(high << 4 | digit),
                }
            }
        }
    }
    match high {
        None => Ok(octets),
        Some(_) => Err(input_fault(text.len(), "hex", "an odd number of digits")),
    }
}

/// Either alphabet, with or without padding, with blanks and lines between.
fn base64(text: &str) -> Result<Vec<u8>, Fault> {
    let characters: String = text.split_whitespace().collect();
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = match characters.contains(['-', '_']) {
        true => alphabet::URL_SAFE,
        false => alphabet::STANDARD,
    };
    let decoded = GeneralPurpose::new(&alphabet, config).decode(&characters);
    decoded.map_err(|error| input_fault(0, "base64", error.to_string()))
}

/// Certificates, or one block of anything else.
fn pem(text: &str) -> Result<Input, Fault> {
    let fault = |message: &str| input_fault(0, "pem", message);
    let begin = text.find(PEM_BEGIN).ok_or_else(|| fault("no block"))?;
    let rest = &text[begin + PEM_BEGIN.len()..];
    let (label, rest) = rest.split_once(PEM_DASHES).ok_or_else(|| fault("no label"))?;
    if label.contains("PRIVATE KEY") {
        return Err(fault("a private key, which nothing here should see"));
    }
    let format = Format::Pem;
    if label == "CERTIFICATE" {
        let octets = pem_to_der(text)
            .map_err(|error| input_fault(error.offset, "pem", error.reason.clone()))?;
        return Ok(Input { octets, format, is_certificate: true });
    }
    let body = rest.split_once("-----END ").map(|(body, _)| body);
    let octets = base64(body.ok_or_else(|| fault("the block does not end"))?)?;
    Ok(Input { octets, format, is_certificate: false })
}

/// Octets given on the command line.
pub(super) fn given(text: &str, format: Format) -> Result<Input, Fault> {
    decode(text.as_bytes().to_vec(), format)
}

#[cfg(test)]
mod tests {
    use super::{Format, decode};

    fn read(input: &[u8]) -> (Vec<u8>, Format) {
        let input = decode(input.to_vec(), Format::Auto).unwrap();
        (input.octets, input.format)
    }

    #[test]
    fn text_is_recognised_and_anything_else_is_left_alone() {
        assert_eq!(read(b"0x8401\n"), (vec![0x84, 1], Format::Hex));
        let commented = "87   # array(7)\n  50 # \"\u{2764}\"\n";
        assert_eq!(read(commented.as_bytes()), (vec![0x87, 0x50], Format::Hex));
        let octets: Vec<u8> = (240..=255).collect();
        for text in
            ["8PHy8/T19vf4+fr7/P3+/w==", "8PHy8_T19vf4-fr7_P3-_w", "8PHy8/T19vf4\n+fr7/P3+/w"]
        {
            assert_eq!(read(text.as_bytes()), (octets.clone(), Format::Base64));
        }
        for raw in [&b""[..], b"\x87", b"840", b"hello", b"{}", b"\n"] {
            assert_eq!(read(raw), (raw.to_vec(), Format::Raw));
        }
    }

    #[test]
    fn faults_of_texts_name_their_place() {
        let fault = |text: &str, format| decode(text.as_bytes().to_vec(), format).unwrap_err();
        assert_eq!(fault("84 0g", Format::Hex).offset, 4);
        assert_eq!(fault("840", Format::Hex).offset, 3);
        assert_eq!(fault("?", Format::Base64).field, "base64");
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(fault(key, Format::Auto).message.contains("private key"));
        let block = "-----BEGIN MLS-----\nAAEC\n-----END MLS-----\n";
        assert_eq!(read(block.as_bytes()), (vec![0, 1, 2], Format::Pem));
    }
}
