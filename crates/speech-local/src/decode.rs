//! Recordings in whatever format become what engines hear, piece by piece.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use core_types::error::Source;
use core_types::media::MediaType;
use hound::{SampleFormat, WavSpec, WavWriter};
use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::common::Limit;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use crate::resample::Resampler;

/// Samples a second that engines hear.
pub(crate) const RATE: u32 = 16_000;
/// Samples a second that a recording may have.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=192_000;
/// Channels that a recording may have.
const CHANNELS: usize = 8;
/// The most bytes of a name or a picture in a recording; nobody looks at them.
const TAG: usize = 64 * 1024;

/// Why a recording is not decoded.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It is damaged, too long, or something else; for its sender.
    Unreadable(String),
    /// We have no decoder for what is in it, which is called so.
    Codec(&'static str),
    /// This machine failed.
    Failed(Source),
}

/// Tells work on another thread that nobody waits for it any more.
struct Leaving(Arc<AtomicBool>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Decodes a recording into a WAV file of [`RATE`], at most so long. Dropping the future ends the work.
pub(crate) async fn decode(recording: PathBuf, media_type: MediaType, output: PathBuf, most: Duration) -> Result<(), Refusal> {
    let left = Arc::new(AtomicBool::new(false));
    let _leaving = Leaving(Arc::clone(&left));
    let work = move || Decoding { most, left }.run(&recording, media_type, &output);
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => {
            // A decoder that gives up in this way was given something that it should have refused.
            log::error!("the decoder of {} gave up: {failed}", media_type.mime());
            Err(unreadable(media_type))
        }
    }
}

struct Decoding {
    most: Duration,
    left: Arc<AtomicBool>,
}

impl Decoding {
    fn run(&self, recording: &Path, media_type: MediaType, output: &Path) -> Result<(), Refusal> {
        let mut format = opened(recording, media_type)?;
        let track = format.default_track(TrackType::Audio).ok_or(Refusal::Codec("an unknown kind of"))?;
        let (id, declared) = (track.id, track.num_frames);
        let parameters =
            track.codec_params.as_ref().and_then(|parameters| parameters.audio()).ok_or(Refusal::Codec("an unknown kind of"))?;
        let named = if parameters.codec == CODEC_ID_OPUS { "Opus" } else { "an unknown kind of" };
        let decoder = symphonia::default::get_codecs().make_audio_decoder(parameters, &AudioDecoderOptions::default());
        // What says itself that it is too long need not be decoded; what does not is counted. In a WAV the greatest length is also
        // what recorders write that do not know the end yet.
        if let (Some(frames), Some(rate)) = (declared, parameters.sample_rate)
            && frames > self.most.as_secs() * u64::from(rate)
            && media_type != MediaType::Wav
        {
            return Err(Refusal::Unreadable(too_long(self.most)));
        }
        let mut decoder = decoder.map_err(|error| match error {
            Error::Unsupported(_) => Refusal::Codec(named),
            _ => unreadable(media_type),
        })?;
        let mut heard = Heard::begin(output, self.most)?;
        let whole = self.samples(format.as_mut(), decoder.as_mut(), id, &mut heard)?;
        if heard.is_empty() {
            return Err(if whole { Refusal::Unreadable("There is no sound in the recording".to_owned()) } else { unreadable(media_type) });
        }
        heard.finish()
    }

    /// Decodes packet by packet; whether the recording came to its end in good order. One that is cut off is heard as far as it
    /// goes.
    fn samples(
        &self,
        format: &mut dyn FormatReader,
        decoder: &mut dyn AudioDecoder,
        track: u32,
        heard: &mut Heard,
    ) -> Result<bool, Refusal> {
        let mut whole = true;
        loop {
            if self.left.load(Ordering::Relaxed) {
                return Err(Refusal::Failed("nobody waits for it any more".into()));
            }
            let packet = match format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return Ok(whole),
                Err(_) => return Ok(false),
            };
            if packet.track_id != track {
                continue;
            }
            match decoder.decode(&packet) {
                Ok(samples) => heard.take(&samples)?,
                // A damaged packet; the next may be whole.
                Err(Error::DecodeError(_)) => whole = false,
                Err(_) => return Ok(false),
            }
        }
    }
}

fn opened(recording: &Path, media_type: MediaType) -> Result<Box<dyn FormatReader>, Refusal> {
    let file = File::open(recording).map_err(|error| Refusal::Failed(Box::new(error)))?;
    let stream = MediaSourceStream::new(Box::new(file), symphonia::core::io::MediaSourceStreamOptions::default());
    let mut hint = Hint::new();
    hint.with_extension(media_type.extension()).mime_type(media_type.mime());
    let mut metadata = MetadataOptions::default();
    metadata.limit_tag_bytes = Limit::Maximum(TAG);
    metadata.limit_visual_bytes = Limit::Maximum(TAG);
    symphonia::default::get_probe().probe(&hint, stream, FormatOptions::default(), metadata).map_err(|_| unreadable(media_type))
}

/// What is heard of a recording: one channel of [`RATE`], in a file.
struct Heard {
    writer: WavWriter<BufWriter<File>>,
    most: Duration,
    /// The rate of what comes in, once it is known.
    resampler: Option<(u32, Resampler)>,
    frames: u64,
    interleaved: Vec<f32>,
}

impl Heard {
    fn begin(output: &Path, most: Duration) -> Result<Self, Refusal> {
        let spec = WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let writer = WavWriter::create(output, spec).map_err(|error| Refusal::Failed(Box::new(error)))?;
        Ok(Self { writer, most, resampler: None, frames: 0, interleaved: Vec::new() })
    }

    const fn is_empty(&self) -> bool {
        self.frames == 0
    }

    fn take(&mut self, samples: &GenericAudioBufferRef<'_>) -> Result<(), Refusal> {
        let (rate, channels) = (samples.spec().rate(), samples.spec().channels().count());
        if samples.frames() == 0 {
            return Ok(());
        }
        if !RATES.contains(&rate) || !(1..=CHANNELS).contains(&channels) {
            let message = format!(
                "The recording has {channels} channels of {rate} samples a second; at most {CHANNELS} channels of {} to {} are heard",
                RATES.start(),
                RATES.end()
            );
            return Err(Refusal::Unreadable(message));
        }
        self.frames += samples.frames() as u64;
        if self.frames > self.most.as_secs() * u64::from(rate) {
            return Err(Refusal::Unreadable(too_long(self.most)));
        }
        samples.copy_to_vec_interleaved(&mut self.interleaved);
        #[expect(clippy::cast_precision_loss, reason = "channels are few")]
        let share = 1.0 / channels as f32;
        let mono: Vec<f32> = self.interleaved.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() * share).collect();
        self.write(rate, &mono)
    }

    fn write(&mut self, rate: u32, mono: &[f32]) -> Result<(), Refusal> {
        let (known, resampler) = match &mut self.resampler {
            Some(known) => known,
            none => none.insert((rate, Resampler::new(rate, RATE).ok_or_else(|| Refusal::Failed("no resampler can be made".into()))?)),
        };
        if *known != rate {
            return Err(Refusal::Unreadable("The recording changes its rate of samples".to_owned()));
        }
        let mut outcome = Ok(());
        resampler.push(mono, |made| write(&mut self.writer, made, &mut outcome));
        outcome.map_err(|error| Refusal::Failed(Box::new(error)))
    }

    fn finish(mut self) -> Result<(), Refusal> {
        let mut outcome = Ok(());
        if let Some((_, resampler)) = self.resampler.take() {
            resampler.finish(|made| write(&mut self.writer, made, &mut outcome));
        }
        outcome.and_then(|()| self.writer.finalize()).map_err(|error| Refusal::Failed(Box::new(error)))
    }
}

/// Writes samples as long as that goes well.
fn write(writer: &mut WavWriter<BufWriter<File>>, samples: &[f32], outcome: &mut Result<(), hound::Error>) {
    for sample in samples {
        if outcome.is_ok() {
            #[expect(clippy::cast_possible_truncation, reason = "it is clamped")]
            let whole = (sample * 32_767.0).round().clamp(-32_768.0, 32_767.0) as i16;
            *outcome = writer.write_sample(whole);
        }
    }
}

/// The refusal of a recording that is too long.
pub(crate) fn too_long(most: Duration) -> String {
    format!("The recording is longer than {} s", most.as_secs())
}

fn unreadable(media_type: MediaType) -> Refusal {
    Refusal::Unreadable(format!("The recording cannot be read as {}", media_type.mime()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One sentence in every format, each of them some 1.55 s long.
    const SAMPLES: [(MediaType, &[u8]); 6] = [
        (MediaType::Mp3, include_bytes!("../tests/samples/weather.mp3")),
        (MediaType::Ogg, include_bytes!("../tests/samples/weather.ogg")),
        (MediaType::Flac, include_bytes!("../tests/samples/weather.flac")),
        (MediaType::Mp4Audio, include_bytes!("../tests/samples/weather.m4a")),
        (MediaType::Aac, include_bytes!("../tests/samples/weather.aac")),
        (MediaType::WebmAudio, include_bytes!("../tests/samples/weather.weba")),
    ];
    const OPUS: [(MediaType, &[u8]); 2] = [
        (MediaType::Ogg, include_bytes!("../tests/samples/weather-opus.ogg")),
        (MediaType::WebmAudio, include_bytes!("../tests/samples/weather-opus.weba")),
    ];
    const MINUTE: Duration = Duration::from_mins(1);

    /// What is heard of a recording: its samples.
    async fn decoded(media_type: MediaType, bytes: &[u8], most: Duration) -> Result<Vec<i16>, Refusal> {
        let directory = tempfile::tempdir().unwrap();
        let (recording, output) = (directory.path().join("recording"), directory.path().join("recording.wav"));
        std::fs::write(&recording, bytes).unwrap();
        decode(recording, media_type, output.clone(), most).await?;
        let reader = hound::WavReader::open(output).unwrap();
        assert_eq!((reader.spec().channels, reader.spec().sample_rate, reader.spec().bits_per_sample), (1, RATE, 16));
        Ok(reader.into_samples().map(Result::unwrap).collect())
    }

    /// A WAV of a tone.
    fn wav(rate: u32, channels: u16, bits: u16, seconds: u32) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let spec = WavSpec { channels, sample_rate: rate, bits_per_sample: bits, sample_format: SampleFormat::Int };
        let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
        for place in 0..rate * seconds {
            let loud = if place % (rate / 200).max(2) < (rate / 400).max(1) { 1 << (bits - 3) } else { 0 };
            for _ in 0..channels {
                writer.write_sample(loud).unwrap();
            }
        }
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// A decoder may give up by a panic, which is a refusal too.
        #[test]
        fn a_recording_that_was_damaged_is_heard_or_refused(
            sample in prop::sample::select(&SAMPLES[..]),
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..16),
            keep in any::<prop::sample::Index>(),
            cut: bool,
        ) {
            let (media_type, mut bytes) = (sample.0, sample.1.to_vec());
            for (place, byte) in flips {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            if cut {
                bytes.truncate(keep.index(bytes.len()));
            }
            is_heard_or_refused(media_type, &bytes)?;
        }

        #[test]
        fn any_bytes_are_heard_or_refused(
            sample in prop::sample::select(&SAMPLES[..]), head in 0..64_usize, bytes in prop::collection::vec(any::<u8>(), 0..2_000)
        ) {
            // What begins as a recording is looked at further.
            is_heard_or_refused(sample.0, &[&sample.1[..head], &bytes].concat())?;
        }
    }

    /// Within a minute, and without the machine being blamed.
    fn is_heard_or_refused(media_type: MediaType, bytes: &[u8]) -> Result<(), TestCaseError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let heard = runtime.block_on(async { tokio::time::timeout(MINUTE, decoded(media_type, bytes, MINUTE)).await });
        prop_assert!(matches!(heard, Ok(Ok(_) | Err(Refusal::Unreadable(_) | Refusal::Codec(_)))), "{:?}: {:?}", media_type, heard);
        Ok(())
    }

    #[tokio::test]
    async fn every_format_becomes_the_same_sound() {
        for (media_type, bytes) in SAMPLES {
            let samples = decoded(media_type, bytes, MINUTE).await.unwrap();
            assert!((22_000..29_000).contains(&samples.len()), "{media_type:?}: {} samples", samples.len());
            let loud = samples.iter().filter(|sample| sample.unsigned_abs() > 1_000).count();
            assert!(loud > 2_000, "{media_type:?}: {loud} loud samples");
        }
    }

    #[tokio::test]
    async fn rates_channels_and_depths_of_all_kinds_are_heard() {
        for (rate, channels, bits) in
            [(8_000, 1, 16), (11_025, 2, 8), (16_000, 1, 16), (44_100, 2, 24), (48_000, 6, 16), (96_000, 1, 32), (192_000, 8, 16)]
        {
            let samples = decoded(MediaType::Wav, &wav(rate, channels, bits, 1), MINUTE).await.unwrap();
            assert_eq!(samples.len(), 16_000, "{rate} {channels} {bits}");
            assert!(samples.iter().any(|sample| *sample > 2_000), "{rate} {channels} {bits}: {:?}", samples.iter().max());
        }
        for (rate, channels) in [(1_000, 1), (384_000, 1), (16_000, 9)] {
            let refusal = decoded(MediaType::Wav, &wav(rate, channels, 16, 1), MINUTE).await.unwrap_err();
            assert!(matches!(refusal, Refusal::Unreadable(_)), "{rate} {channels}: {refusal:?}");
        }
    }

    #[tokio::test]
    async fn opus_is_left_to_others() {
        for (media_type, bytes) in OPUS {
            let refusal = decoded(media_type, bytes, MINUTE).await.unwrap_err();
            assert!(matches!(refusal, Refusal::Codec("Opus")), "{media_type:?}: {refusal:?}");
        }
    }

    #[tokio::test]
    async fn a_recording_has_so_many_seconds() {
        for (media_type, bytes) in SAMPLES {
            let refusal = decoded(media_type, bytes, Duration::from_secs(1)).await.unwrap_err();
            assert!(matches!(&refusal, Refusal::Unreadable(why) if why.contains("longer than 1 s")), "{media_type:?}: {refusal:?}");
        }
    }

    #[tokio::test]
    async fn what_is_damaged_is_heard_in_part_or_refused() {
        for (media_type, bytes) in SAMPLES {
            for tenth in 0..10 {
                let outcome = decoded(media_type, &bytes[..bytes.len() * tenth / 10], MINUTE).await;
                assert!(!matches!(outcome, Err(Refusal::Failed(_))), "{media_type:?} cut at {tenth} tenths: {outcome:?}");
                let mut damaged = bytes.to_vec();
                let length = damaged.len();
                for place in (tenth..length).step_by(97) {
                    damaged[place] ^= 0x55;
                }
                let outcome = decoded(media_type, &damaged, MINUTE).await;
                assert!(!matches!(outcome, Err(Refusal::Failed(_))), "{media_type:?} damaged from {tenth}: {outcome:?}");
            }
        }
    }

    #[tokio::test]
    async fn sizes_that_are_only_claimed_take_no_memory() {
        let mut claims = wav(16_000, 1, 16, 1);
        // The sizes of the file and of its sound, as streaming recorders write them.
        claims[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        claims[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(decoded(MediaType::Wav, &claims, MINUTE).await.unwrap().len(), 16_000);
        let mut huge = b"\x1aE\xdf\xa3\x84webm\x18S\x80g\x01\0\x7f\xff\xff\xff\xff\xff".to_vec();
        huge.extend(b"\x16T\xaek\x01\0\x7f\xff\xff\xff\xff\xff");
        let boxed = [&b"\0\0\0\x10ftypM4A \0\0\0\0\0\0\0\x01moov\x7f\xff\xff\xff\xff\xff\xff\xff"[..], &[0; 64]].concat();
        for (media_type, bytes) in [(MediaType::WebmAudio, huge), (MediaType::Mp4Audio, boxed)] {
            assert!(decoded(media_type, &bytes, MINUTE).await.is_err());
        }
    }
}
