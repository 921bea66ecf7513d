//! What the targets in `tests/fuzz/parsers` call. Compiled for them alone.

use std::time::Duration;

use core_types::media::MediaType;
use tokio::runtime::Builder;

use crate::decode::decode as decode_file;

/// Decodes a recording of which half a minute is heard.
pub fn decode(media_type: MediaType, recording: &[u8]) {
    let place = std::env::temp_dir().join(format!("fuzz-audio-{}", std::process::id()));
    let (source, output) = (place.with_extension("in"), place.with_extension("wav"));
    let runtime = Builder::new_multi_thread().worker_threads(1).build();
    if let (Ok(runtime), Ok(())) = (runtime, std::fs::write(&source, recording)) {
        // Refusing is an answer too.
        let _ = runtime.block_on(decode_file(source, media_type, output, Duration::from_secs(30)));
    }
}
