//! Why an image cannot be pulled, from the words of the registry and of the container runtime: there are no codes for it.

/// Why an image cannot be pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ImageProblem {
    /// The name cannot be parsed.
    InvalidName,
    /// `imagePullPolicy: Never`, and the image is not on the node.
    NotOnNode,
    /// The image has no build for the operating system and architecture of the node.
    Platform,
    /// The registry limits the number of pulls.
    RateLimit,
    /// The registry denies access: the image does not exist, or it needs other credentials.
    Denied,
    /// The registry rejects the credentials, or requires some.
    Unauthorized,
    /// The registry has no such image.
    NotFound,
    /// No connection to the registry, or no valid response.
    Unreachable,
    Unknown,
}

/// The words of each problem. The first row that matches counts: the message of a missing platform also says
/// `not found`, and that of a rate limit may say `denied`.
const WORDS: &[(ImageProblem, &[&str])] = &[
    (
        ImageProblem::Platform,
        &["no match for platform", "no matching manifest for", "does not match the specified platform"],
    ),
    (ImageProblem::RateLimit, &["toomanyrequests", "429 Too Many Requests", "pull rate limit"]),
    (ImageProblem::Denied, &["pull access denied"]),
    (
        ImageProblem::Unauthorized,
        &["401 Unauthorized", "403 Forbidden", "authentication required", "no basic auth credentials"],
    ),
    (ImageProblem::NotFound, &["code = NotFound", "manifest unknown", "name unknown", "repository does not exist"]),
    (
        ImageProblem::Unreachable,
        &[
            "no such host",
            "connection refused",
            "i/o timeout",
            "TLS handshake timeout",
            "context deadline exceeded",
            "certificate signed by unknown authority",
            "network is unreachable",
        ],
    ),
];

impl ImageProblem {
    /// `reason` and `detail` are those of the waiting container.
    pub(crate) fn new(reason: &str, detail: &str) -> Self {
        match reason {
            "InvalidImageName" => return Self::InvalidName,
            "ErrImageNeverPull" => return Self::NotOnNode,
            _ => {}
        }
        let says = |words: &&str| detail.contains(*words);
        WORDS.iter().find(|(_, words)| words.iter().any(says)).map_or(Self::Unknown, |(problem, _)| *problem)
    }

    /// Whether the kubelet's retries cannot succeed.
    pub(crate) fn is_permanent(self) -> bool {
        match self {
            Self::InvalidName | Self::NotOnNode | Self::Platform | Self::NotFound | Self::Denied => true,
            // Credentials may be renewed by a controller.
            Self::Unauthorized | Self::RateLimit | Self::Unreachable | Self::Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problem_is_recognized_by_the_words_of_runtime_and_registry() {
        for (problem, detail) in [
            (
                ImageProblem::Platform,
                r#"rpc error: code = NotFound desc = failed to pull and unpack image "a": no match for platform in manifest: not found"#,
            ),
            (
                ImageProblem::RateLimit,
                "failed to pull: 429 Too Many Requests - toomanyrequests: You have reached your pull rate limit",
            ),
            (
                ImageProblem::Unauthorized,
                "failed to authorize: failed to fetch oauth token: unexpected status: 401 Unauthorized",
            ),
            (
                ImageProblem::NotFound,
                r#"rpc error: code = NotFound desc = failed to resolve reference "a:1": a:1: not found"#,
            ),
            (ImageProblem::Denied, "pull access denied, repository does not exist or may require authorization"),
            (ImageProblem::NotFound, "manifest unknown: manifest unknown"),
            (ImageProblem::Unreachable, "dial tcp: lookup registry.example.com: no such host"),
            (ImageProblem::Unknown, "Back-off pulling image \"a\""),
        ] {
            assert_eq!(ImageProblem::new("ImagePullBackOff", detail), problem, "{detail}");
        }
        assert_eq!(ImageProblem::new("InvalidImageName", "x"), ImageProblem::InvalidName);
        assert_eq!(ImageProblem::new("ErrImageNeverPull", "x"), ImageProblem::NotOnNode);
    }
}
