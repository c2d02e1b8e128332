//! What every store must do, as tests that a backend calls in its own: [`conformance!`] makes one test of each case.
//!
//! `engine` holds what the path from an incident to its deliveries needs, `settings` everything that people configure.
//! Cases speak to the contracts. What no contract can make or show, they write and read with plain SQL through
//! [`Backend`]. Beside what a case is about stand bystanders, which must be the same afterwards.

// Cases fail by panicking, as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod backend;
pub mod earlier;
pub mod engine;
pub mod settings;

pub use backend::{Backend, Opening, Value};

/// Makes a test of every case: `conformance!(open)`, where `open` is a function that makes an [`Arc<dyn Backend>`](Backend)
/// of a new, empty store. Beside it stands `backups!()`, for a store that makes copies of itself.
#[macro_export]
macro_rules! conformance {
    ($new_backend:expr) => {
        fn new_backend() -> ::std::sync::Arc<dyn $crate::Backend> {
            $new_backend()
        }

        $crate::canaries!();
        $crate::deliveries!();
        $crate::events!();
        $crate::incidents!();
        $crate::insights!();
        $crate::lanes!();
        $crate::lists!();
        $crate::memories!();
        $crate::operational!();
        $crate::outages!();
        $crate::overview!();
        $crate::queue!();
        $crate::recording!();
        $crate::repeated_requests!();
        $crate::replays!();
        $crate::sources!();
        $crate::ticket_telling!();
        $crate::tickets!();

        $crate::access!();
        $crate::budgets!();
        $crate::catalog!();
        $crate::fleet!();
        $crate::identities!();
        $crate::inboxes!();
        $crate::passkeys!();
        $crate::receipts!();
        $crate::second_factors!();
        $crate::receiver_links!();
        $crate::sessions!();
        $crate::sign_in!();
        $crate::upkeep!();
        $crate::webhooks!();

        mod sequences {
            #[test]
            fn no_sequence_of_steps_breaks_a_lane() {
                $crate::engine::sequences::no_sequence_of_steps_breaks_a_lane(super::new_backend);
            }
        }
    };
}

/// Declares the cases of a subject, and a macro with the subject's name that makes a test of each.
macro_rules! cases {
    ($part:ident :: $subject:ident; $(async fn $case:ident($fixture:ident: $Fixture:ty) $body:block)+) => {
        $(pub async fn $case($fixture: $Fixture) $body)+

        #[doc(hidden)]
        #[macro_export]
        macro_rules! $subject {
            () => {
                mod $subject {
                    $(
                        #[test]
                        fn $case() {
                            $crate::$part::run(super::new_backend(), $crate::$part::$subject::$case);
                        }
                    )+
                }
            };
        }
    };
}
use cases;

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(work)
}
