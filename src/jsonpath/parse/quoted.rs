//! Quoted texts with escapes.

/// The text between quotes, with its escapes replaced; `None` if one is invalid. As in Go, `\x41` and `\101` are bytes, and
/// only the quote around the text can be escaped.
///
/// Upstream: `client-go/util/jsonpath/parser.go` `UnquoteExtend`, and Go's `strconv.UnquoteChar`.
pub(super) fn unquote(quoted: &str, quote: char) -> Option<String> {
    let text = quoted.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c == quote {
            return None;
        }
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let letter = rest.chars().next()?;
        let digits = &rest[letter.len_utf8()..];
        let (character, length) = match letter {
            'a' => (0x07, 0),
            'b' => (0x08, 0),
            'f' => (0x0c, 0),
            'n' => (0x0a, 0),
            'r' => (0x0d, 0),
            't' => (0x09, 0),
            'v' => (0x0b, 0),
            '\\' => (0x5c, 0),
            letter if letter == quote => (u32::from(letter), 0),
            'x' => (number(digits, 2, 16)?, 2),
            'u' => (number(digits, 4, 16)?, 4),
            'U' => (number(digits, 8, 16)?, 8),
            '0'..='7' => (number(rest, 3, 8).filter(|byte| *byte < 256)?, 2),
            _ => return None,
        };
        match (letter, u8::try_from(character)) {
            ('x' | '0'..='7', Ok(byte)) => bytes.push(byte),
            _ => bytes.extend_from_slice(char::from_u32(character)?.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        rest = &digits[length..];
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn number(text: &str, length: usize, radix: u32) -> Option<u32> {
    let digits = text.get(..length).filter(|digits| digits.chars().all(|c| c.is_digit(radix)))?;
    u32::from_str_radix(digits, radix).ok()
}
