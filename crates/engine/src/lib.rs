//! Dispatch: takes deliveries from the commit (or the store) to the receivers, and what came of them back.
//!
//! [`scheduler`] decides what happens, purely; [`dispatcher`] does it. Around them run the small timers: [`rescuer`]
//! ([`lease`]s, clock jumps), [`escalator`], [`fallback_timer`], [`ticket poller`] (tickets that changed), [`pruner`] and
//! [`auditor`] (the "nothing is lost" balance), [`publisher`] (operational events).

pub mod alert_timer;
pub mod auditor;
pub mod breaker;
pub mod deliver;
pub mod deliver_together;
pub mod delivery_context;
pub mod dispatch_handle;
pub mod dispatcher;
pub mod escalator;
pub mod fallback_timer;
pub mod finish_attempt;
pub mod lease;
pub mod links;
pub mod masking;
pub mod notices;
pub mod pace;
pub mod prepared;
pub mod probe;
pub mod pruner;
pub mod publisher;
pub mod recorder;
pub mod rescuer;
pub mod scheduler;
pub mod ticket_poller;
pub mod ticket_query;
pub mod tokens;
