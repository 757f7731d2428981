//! Rules, outbox and channels together.
