//! Requests, replies, events and the frames that carry them
