//! The binary: everything is in the library.

use std::process::ExitCode;

/// Of the objects of a session most are aligned to 128 bytes, for which glibc keeps half a kilobyte more a
/// session, and it never gave the memory of 9,000 sessions back (measured: 20.8 MB held and kept, against
/// 18.5 MB held and 8.8 MB after they had gone). Transparent huge pages would cost 10 MB at the start.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    rolecall::cli::main()
}
