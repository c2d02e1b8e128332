//! The `opsknight` program: hands its arguments to the library.

/// Small blocks are taken and given back by many threads at once: see decision 0010.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
