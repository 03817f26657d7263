//! Programs on the `PATH`.

use super::credentials::look_path::look_path;

/// Whether the `PATH` has this program.
pub(crate) fn is_on_path(program: &str) -> bool {
    look_path(program, std::env::var_os("PATH").as_deref()).is_ok()
}
