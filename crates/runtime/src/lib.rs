//! The mind of an agent: inbox, perceive, decide, compose, act, reply
