//! The sample cluster of `--from demo`: `tests/fixtures/shop/cluster.yaml` as compressed JSON, part of the program.
//!
//! `UPDATE_DEMO=1 cargo test --lib demo_equals_the_fixture` writes `cluster.json.gz` beside it after a change of the fixture.

use std::path::Path;

/// The argument that selects the sample cluster.
pub(crate) const NAME: &str = "demo";

/// The compressed objects.
pub(super) const OBJECTS: &[u8] = include_bytes!("../../../tests/fixtures/shop/cluster.json.gz");

/// Whether an argument of `--from` means the sample cluster: a file or a directory of this name in the working directory
/// has precedence, and `./demo` is always a path.
pub(crate) fn is_selected(source: &Path) -> bool {
    source.as_os_str() == NAME && source.symlink_metadata().is_err()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::{Read, Write};

    use serde_json::Value;

    use super::*;

    /// The maximum size in the program, in bytes.
    const MOST: usize = 60_000;

    fn path(file: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
    }

    #[test]
    fn demo_equals_the_fixture() {
        let text = std::fs::read_to_string(path("tests/fixtures/shop/cluster.yaml")).unwrap();
        let fixture: Value = serde_saphyr::from_str(&text).unwrap();
        if std::env::var_os("UPDATE_DEMO").is_some() {
            let file = std::fs::File::create(path("tests/fixtures/shop/cluster.json.gz")).unwrap();
            let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::best());
            encoder.write_all(fixture.to_string().as_bytes()).unwrap();
            encoder.finish().unwrap();
        }
        let compressed = std::fs::read(path("tests/fixtures/shop/cluster.json.gz")).unwrap();
        let mut json = String::new();
        flate2::read::GzDecoder::new(compressed.as_slice()).read_to_string(&mut json).unwrap();
        let demo: Value = serde_json::from_str(&json).unwrap();
        assert!(demo == fixture, "cluster.json.gz differs: UPDATE_DEMO=1 cargo test --lib demo_equals_the_fixture");
        assert!(compressed.len() <= MOST, "cluster.json.gz has {} bytes", compressed.len());
    }

    #[test]
    fn path_is_never_the_sample_cluster() {
        assert!(is_selected(Path::new("demo")));
        for other in ["./demo", "demo/", "Demo", "demo.yaml", "/demo"] {
            assert!(!is_selected(Path::new(other)), "{other}");
        }
    }
}
