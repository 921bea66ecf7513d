//! The one guarded HTTP client: limits, retries, event-stream decoding
