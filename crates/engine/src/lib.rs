//! Dispatch: takes deliveries from the commit (or the store) to the receivers, and what came of them back.
//!
//! [`board`] decides what happens, purely; [`dispatcher`] does it. Around them run the small timers: [`rescuer`]
//! (leases, clock jumps), [`escalator`], [`looker`] (tickets that changed), [`pruner`] and [`auditor`] (the "nothing is
//! lost" balance).

pub mod asking;
pub mod auditor;
pub mod board;
pub mod breaker;
pub mod conclude;
pub mod deliver;
pub mod dispatcher;
pub mod escalator;
pub mod inbox;
pub mod known;
pub mod links;
pub mod looker;
pub mod masking;
pub mod notices;
pub mod pace;
pub mod prepared;
pub mod probe;
pub mod pruner;
pub mod recorder;
pub mod rescuer;
pub mod tokens;
