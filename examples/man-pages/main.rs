//! Writes the man pages of every command into a folder: `cargo run --example man-pages -- FOLDER`.

mod pages;

use std::io;
use std::path::PathBuf;

fn main() -> io::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("name the folder to write them to"))?;
    std::fs::create_dir_all(&folder)?;
    pages::write(kubectl_ds::commands(), &folder)
}
