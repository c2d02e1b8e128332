//! The words of the product and its decisions, as pure types and functions.
//!
//! Nothing here reads a clock, draws a random number, opens a file or a socket: all of that comes in as
//! arguments, so that tests and the simulation decide what happens.

pub mod exchange;
pub mod id;
pub mod secret;
pub mod time;
