//! The `opsknight` program: hands its arguments to the library.

fn main() -> std::process::ExitCode {
    cli::run()
}
