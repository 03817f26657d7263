//! Tasks of the repository that need the program's own code.
//!
//! `cargo xtask man DIR` writes the man pages of all commands to a directory.

mod man;

use std::ffi::OsString;
use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.as_slice() {
        [task, directory] if task == "man" => {
            let directory = Path::new(directory);
            std::fs::create_dir_all(directory)?;
            man::write(kubectl_ds::commands(), directory)
        }
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "usage: cargo xtask man DIR")),
    }
}
