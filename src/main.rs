//! `kubectl ds`: arguments in, exit code out.

fn main() -> std::process::ExitCode {
    kubectl_ds::run()
}
