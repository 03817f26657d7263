//! The tag of an image, on which the default pull policy depends.
//!
//! Upstream: `pkg/util/parsers/parsers.go` `ParseImageName`, `github.com/distribution/reference`
//! `ParseNormalizedNamed`.

/// Whether the image has the tag `latest`, or neither a tag nor a digest. An invalid name has no tag.
pub(super) fn is_latest(image: &str) -> bool {
    let (named, digest) = match image.split_once('@') {
        Some((named, digest)) => (named, Some(digest)),
        None => (image, None),
    };
    let start = named.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = match named[start..].find(':') {
        Some(at) => (&named[..start + at], Some(&named[start + at + 1..])),
        None => (named, None),
    };
    let is_valid = is_repository(name) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest);
    is_valid && tag.map_or(digest.is_none(), |tag| tag == "latest")
}

/// Whether the name is a repository, with or without a registry.
fn is_repository(name: &str) -> bool {
    let is_id = name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let path = match name.split_once('/') {
        Some((registry, path)) if is_registry(registry) => path,
        _ => name,
    };
    !is_id && path.split('/').all(is_component)
}

/// Whether the first part of a name is a registry: only then it may have capital letters.
fn is_registry(part: &str) -> bool {
    let has_capital = part.bytes().any(|byte| byte.is_ascii_uppercase());
    let is_valid = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
    is_valid && (part.contains(['.', ':']) || part == "localhost" || has_capital)
}

/// Lower case letters and digits, separated by a dot, one or two underscores, or dashes.
fn is_component(part: &str) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_separator =
        |separator: &str| matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-');
    let ends_plain = |byte: Option<&u8>| byte.is_some_and(is_plain);
    ends_plain(part.as_bytes().first())
        && ends_plain(part.as_bytes().last())
        && part.is_ascii()
        && part.split(|letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit()).all(is_separator)
}

fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_valid = tag.bytes().all(|byte| is_word(byte) || b".-".contains(&byte));
    is_valid && tag.len() <= 128 && tag.bytes().next().is_some_and(is_word)
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hash)| {
        !algorithm.is_empty() && hash.len() >= 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_and_untagged_images_are_latest() {
        const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let with_digest = |name: &str| format!("{name}@{DIGEST}");
        for image in ["agent", "agent:latest", "registry:5000/agent", "Registry.io/a/b", "localhost/a", "a__b/c-d.e"] {
            assert!(is_latest(image), "{image}");
        }
        assert!(is_latest(&with_digest("agent:latest")));
        assert!(!is_latest(&with_digest("agent")));
        assert!(!is_latest(&with_digest("agent:v1")));
        // The names that are not valid have no tag.
        for image in ["agent:v1", "registry:5000/agent:v1", "", "Agent", "a//b", "a___b", "agent:", "-a", "é", "a b"] {
            assert!(!is_latest(image), "{image}");
        }
    }
}
