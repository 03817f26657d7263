//! Reads compressed files and archives, entry by entry.
//!
//! Nothing is written to disk, so the path of an entry is only a label. One entry is in memory at a time. The expanded
//! size of an entry and of an archive is limited, absolutely and by the size of the compressed file. An archive in an
//! archive is read, but not one inside that.

use std::cell::Cell;
use std::io::{Read, Seek};

/// The maximum expanded size of an entry, in bytes.
const MOST_PER_ENTRY: u64 = 1 << 30;
/// The maximum expanded size of all entries that are read, in bytes.
const MOST_PER_ARCHIVE: u64 = 8 << 30;
/// The maximum expansion ratio of a compressed file. Deflate reaches 1,032, pods reach 40.
const RATIO: u64 = 200;
/// The expanded size that is allowed regardless of the ratio, in bytes.
const FLOOR: u64 = 16 << 20;

/// The maximum length of a name in a tar archive, in bytes.
const LONGEST_NAME: u64 = 64 << 10;

/// The compression or archive format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// Not compressed.
    Plain,
    /// One compressed file.
    Gzip,
    Tar,
    TarGzip,
    Zip,
}

impl Packing {
    /// Detects the format by the file extension, or by the first bytes.
    pub(super) fn detect(name: &str, head: &[u8]) -> Self {
        let name = name.to_ascii_lowercase();
        let ends = |ending: &str| name.ends_with(ending);
        if ends(".tar.gz") || ends(".tgz") {
            Self::TarGzip
        } else if ends(".tar") {
            Self::Tar
        } else if ends(".zip") || head.starts_with(b"PK\x03\x04") {
            Self::Zip
        } else if head.starts_with(&[0x1f, 0x8b]) {
            Self::Gzip
        } else if head.get(257..262) == Some(b"ustar") {
            Self::Tar
        } else {
            Self::Plain
        }
    }
}

/// The number of bytes needed to detect the format.
pub(super) const HEAD: usize = 512;

/// How many bytes may still be read from an archive, including nested archives.
pub(super) struct Allowance {
    left: Cell<u64>,
}

impl Allowance {
    /// The allowance for a compressed file of this size.
    pub(super) fn new(compressed: u64) -> Self {
        Self { left: Cell::new(compressed.saturating_mul(RATIO).clamp(FLOOR, MOST_PER_ARCHIVE)) }
    }

    /// Reads a stream to its end, within the limits.
    fn read(&self, stream: &mut dyn Read) -> Result<Vec<u8>, String> {
        let most = self.left.get().min(MOST_PER_ENTRY);
        let mut bytes = Vec::new();
        let read = stream.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        let left = self.left.get().checked_sub(read as u64).filter(|_| read as u64 <= most);
        self.left.set(left.ok_or(
            "expands beyond the limit of 1 GiB for a file, and of 8 GiB or 200 times the compressed size for all files",
        )?);
        Ok(bytes)
    }
}

/// The callback for entries: a name, and the bytes or why they cannot be read.
pub(super) type Receiver<'r> = &'r mut dyn FnMut(&str, Result<Vec<u8>, String>) -> Result<(), crate::error::Error>;

/// Passes each wanted entry to the receiver. The inner result is the receiver's.
///
/// # Errors
/// The archive is damaged; the entries before have been passed on.
pub(super) fn unpack<R: Read + Seek>(
    packing: Packing,
    mut stream: R,
    allowance: &Allowance,
    wanted: &dyn Fn(&str) -> bool,
    receiver: Receiver<'_>,
) -> Result<Result<(), crate::error::Error>, String> {
    match packing {
        Packing::Plain => Ok(receiver("", allowance.read(&mut stream))),
        Packing::Gzip => {
            let mut decoder = flate2::read::MultiGzDecoder::new(std::io::BufReader::new(stream));
            let bytes = allowance.read(&mut decoder)?;
            Ok(receiver("", Ok(bytes)))
        }
        Packing::Tar => tar(&mut stream, allowance, wanted, receiver),
        Packing::TarGzip => {
            let mut decoder = flate2::read::MultiGzDecoder::new(std::io::BufReader::new(stream));
            tar(&mut decoder, allowance, wanted, receiver)
        }
        Packing::Zip => zip(stream, allowance, wanted, receiver),
    }
}

fn tar(
    stream: &mut dyn Read,
    allowance: &Allowance,
    wanted: &dyn Fn(&str) -> bool,
    receiver: Receiver<'_>,
) -> Result<Result<(), crate::error::Error>, String> {
    let mut archive = tar::Archive::new(stream);
    // Raw mode, because the library would read a name of any length into memory.
    let mut long_name = None;
    for entry in archive.entries().map_err(|error| error.to_string())?.raw(true) {
        let mut entry = entry.map_err(|error| error.to_string())?;
        let entry_type = entry.header().entry_type();
        if entry_type.is_gnu_longname() || entry_type.is_pax_local_extensions() {
            let mut bytes = Vec::new();
            let read = (&mut entry).take(LONGEST_NAME).read_to_end(&mut bytes);
            read.map_err(|error| error.to_string())?;
            long_name = name_in(&bytes, entry_type.is_gnu_longname()).or(long_name);
            continue;
        }
        let short = || String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = long_name.take().unwrap_or_else(short);
        if entry_type.is_file() && wanted(&name) {
            let bytes = allowance.read(&mut entry)?;
            if let Err(rejection) = receiver(&name, Ok(bytes)) {
                return Ok(Err(rejection));
            }
        }
    }
    Ok(Ok(()))
}

/// The name in an entry that only names the next one: GNU's format, or the records `LENGTH path=NAME` of pax.
fn name_in(bytes: &[u8], is_gnu: bool) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    if is_gnu {
        return Some(text.trim_end_matches('\0').to_owned());
    }
    let path = text.lines().find_map(|line| line.split_once(' ')?.1.strip_prefix("path="))?;
    Some(path.to_owned())
}

fn zip<R: Read + Seek>(
    stream: R,
    allowance: &Allowance,
    wanted: &dyn Fn(&str) -> bool,
    receiver: Receiver<'_>,
) -> Result<Result<(), crate::error::Error>, String> {
    let mut archive = zip::ZipArchive::new(std::io::BufReader::new(stream)).map_err(|error| error.to_string())?;
    for index in 0..archive.len() {
        let (name, bytes) = {
            // Fails for an unsupported compression method or an encrypted entry.
            let mut entry = match archive.by_index(index) {
                Ok(entry) => entry,
                Err(error) => {
                    if let Err(rejection) = receiver(&format!("entry {index}"), Err(error.to_string())) {
                        return Ok(Err(rejection));
                    }
                    continue;
                }
            };
            let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
            if !entry.is_file() || !wanted(&name) {
                continue;
            }
            (name, allowance.read(&mut entry)?)
        };
        if let Err(rejection) = receiver(&name, Ok(bytes)) {
            return Ok(Err(rejection));
        }
    }
    Ok(Ok(()))
}
