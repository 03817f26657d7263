//! Reads the files that a kubeconfig or a flag names. Each read has a size limit, because a path can name a device
//! without an end.

use std::fs::{File, metadata};
use std::io::{Error, Read, Result};
use std::path::Path;

/// The limit for kubeconfigs, kuberc files and certificates, in bytes.
pub(super) const CONFIG_LIMIT: u64 = 8 << 20;
/// The limit for tokens and for the output of a credential plugin, in bytes. etcd accepts no larger object, so no
/// Secret contains a larger token.
pub(super) const TOKEN_LIMIT: u64 = 1 << 20;

/// Reads a file of any type: `--kubeconfig <(COMMAND)` names a pipe.
pub(super) fn read_any(path: &Path, limit: u64) -> Result<Vec<u8>> {
    read_stream(File::open(path)?, limit)
}

/// Reads a stream to its end.
pub(super) fn read_stream(stream: impl Read, limit: u64) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    stream.take(limit + 1).read_to_end(&mut content)?;
    match content.len() as u64 > limit {
        true => Err(Error::other(format!("larger than {limit} bytes"))),
        false => Ok(content),
    }
}

/// Reads a regular file. Opening a pipe without a writer would block the program, and Ctrl-C with it.
pub(super) fn read_regular(path: &Path, limit: u64) -> Result<Vec<u8>> {
    match metadata(path)?.is_file() {
        true => read_any(path, limit),
        false => Err(Error::other("not a regular file")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn file_above_the_limit_is_an_error() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, vec![b'x'; 1 << 20]).unwrap();
        assert_eq!(read_regular(&path, 1 << 20).unwrap().len(), 1 << 20);
        std::fs::write(&path, vec![b'x'; (1 << 20) + 1]).unwrap();
        let error = read_regular(&path, 1 << 20).unwrap_err().to_string();
        assert_eq!(error, "larger than 1048576 bytes");
    }

    #[cfg(unix)]
    #[test]
    fn endless_device_is_an_error() {
        assert!(read_any(Path::new("/dev/zero"), 1000).is_err());
        assert!(read_any(Path::new("/dev/null"), 1000).unwrap().is_empty());
        let error = read_regular(Path::new("/dev/zero"), 1000).unwrap_err().to_string();
        assert_eq!(error, "not a regular file");
    }
}
