//! Reads the files, directories, archives and standard input of the arguments of `--from`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::archive::{self, Allowance, HEAD, Packing};
use super::report::{Report, broken};
use super::saved_cluster::SavedCluster;
use super::{demo, documents, kinds};
use crate::activity::{Activity, begin};
use crate::error::{Error, system_words};

/// The argument for standard input.
const STDIN: &str = "-";
/// The extensions of saved objects in a directory or an archive; they may be followed by `.gz`.
const ENDINGS: [&str; 3] = [".yaml", ".yml", ".json"];
/// The extensions of archives.
const ARCHIVES: [&str; 4] = [".tar.gz", ".tgz", ".tar", ".zip"];
/// The maximum nesting of archives: an archive in an archive.
const DEEPEST: usize = 1;

/// The maximum size of an uncompressed file, in bytes: a saved cluster of 100,000 pods has 3 GB.
const MOST_PER_FILE: u64 = 4 << 30;

/// Reads files into a cluster.
pub(super) struct Walk<'c> {
    pub(super) cluster: &'c mut SavedCluster,
    pub(super) report: Report,
    /// The current argument. Only the path below it can name a file's namespace.
    pub(super) root: String,
}

/// The name of a file for messages, and whether it is an argument. A problem in an argument is an error; a file in a
/// directory or an archive is skipped and reported.
#[derive(Clone, Copy)]
struct Named<'n> {
    name: &'n str,
    is_named: bool,
}

/// The nesting of the archives around a file, and how many bytes may still be unpacked.
#[derive(Clone, Copy)]
struct Place<'a> {
    depth: usize,
    allowance: &'a Allowance,
}

impl Walk<'_> {
    /// Reads one argument.
    ///
    /// # Errors
    /// A file that is an argument cannot be read; a directory or an archive contains no supported file.
    pub(super) fn read(&mut self, source: &Path) -> Result<(), Error> {
        if source.as_os_str() == STDIN {
            return self.read_stdin();
        }
        if demo::is_selected(source) {
            let allowance = Allowance::new(demo::OBJECTS.len() as u64);
            let named = Named { name: demo::NAME, is_named: true };
            return self.bytes(demo::OBJECTS, named, Place { depth: 0, allowance: &allowance });
        }
        let name = source.display().to_string();
        self.root.clone_from(&name);
        if !source.is_dir() {
            return self.file(source, Named { name: &name, is_named: true });
        }
        let files = files_below(source, &mut self.report)?;
        let is_empty = files.is_empty();
        for file in files {
            let name = file.display().to_string();
            self.file(&file, Named { name: &name, is_named: false })?;
        }
        if is_empty {
            return Err(broken(&name, "the directory contains no .yaml, .yml, .json or archive file"));
        }
        Ok(())
    }

    fn read_stdin(&mut self) -> Result<(), Error> {
        let name = "standard input";
        let _reading = begin(Activity::File { path: name.into() });
        let bytes = read_all(std::io::stdin().lock(), 0).map_err(|why| broken(name, why))?;
        let allowance = Allowance::new(bytes.len() as u64);
        self.bytes(&bytes, Named { name, is_named: true }, Place { depth: 0, allowance: &allowance })
    }

    fn file(&mut self, path: &Path, named: Named<'_>) -> Result<(), Error> {
        let _reading = begin(Activity::File { path: named.name.to_owned() });
        let Opened { file, packing, size } = match open(path, named.name) {
            Ok(opened) => opened,
            Err(error) => return self.lose(named, "", &system_words(&error)),
        };
        let allowance = Allowance::new(size);
        let place = Place { depth: 0, allowance: &allowance };
        if packing == Packing::Plain {
            return match read_all(file, size) {
                Ok(bytes) => self.bytes(&bytes, named, place),
                Err(why) => self.lose(named, "", &why),
            };
        }
        let mut seen = 0;
        let outcome = archive::unpack(packing, file, &allowance, &is_eligible, &mut |name, bytes| {
            seen += 1;
            self.entry(named, packing, name, bytes, place)
        });
        self.finish(named, packing, outcome, seen)
    }

    /// Reads bytes that may be compressed.
    fn bytes(&mut self, bytes: &[u8], named: Named<'_>, place: Place<'_>) -> Result<(), Error> {
        let packing = Packing::detect(named.name, bytes.get(..HEAD).unwrap_or(bytes));
        match packing {
            Packing::Plain => return self.text(bytes, named),
            Packing::Gzip => {}
            _ if place.depth > DEEPEST => {
                return self.lose(named, "", "archives are nested too deeply");
            }
            _ => {}
        }
        let mut seen = 0;
        let outcome =
            archive::unpack(packing, Cursor::new(bytes), place.allowance, &is_eligible, &mut |name, bytes| {
                seen += 1;
                self.entry(named, packing, name, bytes, place)
            });
        self.finish(named, packing, outcome, seen)
    }

    /// Reads an entry of an archive, which is treated like a file in a directory.
    fn entry(
        &mut self,
        outer: Named<'_>,
        packing: Packing,
        name: &str,
        bytes: Result<Vec<u8>, String>,
        place: Place<'_>,
    ) -> Result<(), Error> {
        let (name, is_named) = match packing {
            Packing::Gzip => (without_gz(outer.name).to_owned(), outer.is_named),
            _ => (format!("{}/{name}", outer.name), false),
        };
        let named = Named { name: &name, is_named };
        match bytes {
            Err(why) => self.lose(named, "", &why),
            // Only on standard input, a compressed file may turn out to contain an archive.
            Ok(bytes) if packing == Packing::Gzip && place.depth > DEEPEST => self.text(&bytes, named),
            Ok(bytes) => self.bytes(&bytes, named, Place { depth: place.depth + 1, ..place }),
        }
    }

    fn finish(
        &mut self,
        named: Named<'_>,
        packing: Packing,
        outcome: Result<Result<(), Error>, String>,
        seen: usize,
    ) -> Result<(), Error> {
        match outcome {
            Err(why) => self.lose(named, "", &format!("cannot unpack: {why}")),
            Ok(Err(rejection)) => Err(rejection),
            Ok(Ok(())) if seen == 0 && packing != Packing::Gzip && named.is_named => {
                Err(broken(named.name, "the archive contains no .yaml, .yml or .json file"))
            }
            Ok(Ok(())) => Ok(()),
        }
    }

    fn text(&mut self, bytes: &[u8], named: Named<'_>) -> Result<(), Error> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return self.reject(named, "", "the file is not UTF-8 text");
        };
        let text = text.trim_start_matches('\u{feff}');
        if text.trim().is_empty() {
            return self.reject(named, "", "the file is empty");
        }
        let below = named.name.strip_prefix(self.root.as_str()).unwrap_or_default();
        self.cluster.saved.begin_file(kinds::namespace_of_path(below));
        let outcome = documents::read(self.cluster, named.name, text);
        self.cluster.saved.end_file();
        match outcome {
            Ok(()) => Ok(()),
            Err(rejection) if rejection.is_foreign && !named.is_named => {
                self.report.foreign(named.name);
                Ok(())
            }
            Err(rejection) => self.reject(named, text, &rejection.message),
        }
    }

    /// Handles a text that cannot be parsed. Without a sign of Kubernetes objects, it is skipped.
    fn reject(&mut self, named: Named<'_>, text: &str, why: &str) -> Result<(), Error> {
        if !named.is_named && kinds::lost(named.name, text).is_empty() && !kinds::has_objects(text) {
            self.report.foreign(named.name);
            return Ok(());
        }
        self.lose(named, text, why)
    }

    /// Handles a file with objects that cannot be read completely.
    fn lose(&mut self, named: Named<'_>, text: &str, why: &str) -> Result<(), Error> {
        if named.is_named {
            return Err(broken(named.name, why));
        }
        let message = format!("{}: {why}", named.name);
        for kind in kinds::lost(named.name, text) {
            self.cluster.lose(kind, &message);
        }
        self.report.broken(message);
        Ok(())
    }
}

/// An open file and its format.
struct Opened {
    file: File,
    packing: Packing,
    size: u64,
}

/// Opens a file and detects its format. For a device or a pipe, which cannot be rewound, that happens after reading it.
fn open(path: &Path, name: &str) -> std::io::Result<Opened> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Opened { file, packing: Packing::Plain, size: 0 });
    }
    let mut head = Vec::new();
    (&mut file).take(HEAD as u64).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(Opened { file, packing: Packing::detect(name, &head), size: metadata.len() })
}

/// Reads a file of this size, or a stream, which may be endless.
fn read_all(stream: impl Read, size: u64) -> Result<Vec<u8>, String> {
    let too_large = || format!("larger than {} GiB", MOST_PER_FILE >> 30);
    let capacity = usize::try_from(size).ok().filter(|_| size <= MOST_PER_FILE).ok_or_else(too_large)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(capacity).map_err(|error| error.to_string())?;
    stream.take(MOST_PER_FILE + 1).read_to_end(&mut bytes).map_err(|error| system_words(&error))?;
    if bytes.len() as u64 > MOST_PER_FILE { Err(too_large()) } else { Ok(bytes) }
}

fn without_gz(name: &str) -> &str {
    name.strip_suffix(".gz").unwrap_or(name)
}

/// Whether a file has a supported extension.
fn is_eligible(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let plain = without_gz(&lower);
    // macOS adds files with this prefix to archives.
    let is_shadow = lower.rsplit('/').next().is_some_and(|last| last.starts_with("._"));
    !is_shadow
        && (ENDINGS.iter().any(|ending| plain.ends_with(ending))
            || ARCHIVES.iter().any(|ending| lower.ends_with(ending)))
}

/// The files below a directory, sorted by path.
fn files_below(source: &Path, report: &mut Report) -> Result<Vec<PathBuf>, Error> {
    let mut files = BTreeSet::new();
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if folder == source => {
                return Err(broken(&folder.display().to_string(), system_words(&error)));
            }
            Err(error) => {
                report.broken(format!("{}: {}", folder.display(), system_words(&error)));
                continue;
            }
        };
        for entry in entries.flatten() {
            let path = entry.path();
            // A link to a directory is not followed: it may be circular, and a target within the tree is read anyway. A
            // link to a file is read. A pipe is not, because it may never end.
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder {
                folders.push(path);
            } else if is_eligible(&path.to_string_lossy()) && path.is_file() {
                files.insert(path);
            }
        }
    }
    Ok(files.into_iter().collect())
}
