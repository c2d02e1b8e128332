//! What every store must do, as tests that a backend calls in its own.
