//! From any rate of samples to the one that engines hear.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Async, FixedAsync, Indexing, Resampler as _, SincInterpolationParameters, SincInterpolationType, WindowFunction};

/// Samples that are worked on at once.
const CHUNK: usize = 1_024;

/// Changes the rate of one channel, piece by piece.
pub(crate) struct Resampler {
    /// Where the rate is right already there is nothing to do.
    inner: Option<Async<f32>>,
    pending: Vec<f32>,
    /// Samples at the beginning that are only the filter's delay.
    skip: usize,
    ratio: f64,
    taken: u64,
    given: u64,
}

impl Resampler {
    /// From one rate to another, in samples a second. `None` where they are too far apart.
    pub(crate) fn new(from: u32, to: u32) -> Option<Self> {
        let ratio = f64::from(to) / f64::from(from);
        let parameters = SincInterpolationParameters {
            sinc_len: 128,
            f_cutoff: None,
            interpolation: SincInterpolationType::Linear,
            oversampling_factor: 128,
            window: WindowFunction::BlackmanHarris2,
        };
        let make = || Async::new_sinc(ratio, 1.0, &parameters, CHUNK, 1, FixedAsync::Input).ok();
        let inner = if from == to { None } else { Some(make()?) };
        let skip = inner.as_ref().map_or(0, rubato::Resampler::output_delay);
        Some(Self { inner, pending: Vec::with_capacity(2 * CHUNK), skip, ratio, taken: 0, given: 0 })
    }

    /// Takes samples, and gives what can be made of those that are there.
    pub(crate) fn push(&mut self, samples: &[f32], mut give: impl FnMut(&[f32])) {
        self.taken += samples.len() as u64;
        let Some(inner) = &mut self.inner else {
            self.given += samples.len() as u64;
            return give(samples);
        };
        self.pending.extend_from_slice(samples);
        let mut done = 0;
        while let Some(chunk) = self.pending.get(done..done + CHUNK) {
            done += CHUNK;
            let made = processed(inner, chunk, None);
            let made = without(&made, &mut self.skip);
            self.given += made.len() as u64;
            give(made);
        }
        self.pending.drain(..done);
    }

    /// Gives the rest, as long as what was taken.
    pub(crate) fn finish(mut self, mut give: impl FnMut(&[f32])) {
        let Some(mut inner) = self.inner.take() else { return };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "minutes of samples are few"
        )]
        let wanted = (self.taken as f64 * self.ratio).round() as u64;
        let mut rest = std::mem::take(&mut self.pending);
        while self.given < wanted {
            let count = rest.len();
            rest.resize(CHUNK, 0.0);
            let made = processed(&mut inner, &rest, Some(count));
            let left = usize::try_from(wanted - self.given).unwrap_or(usize::MAX);
            if made.is_empty() {
                return;
            }
            let made = without(&made, &mut self.skip);
            let made = made.get(..left.min(made.len())).unwrap_or_default();
            self.given += made.len() as u64;
            give(made);
            rest.clear();
        }
    }
}

/// The samples after those that are to be skipped, of which so many fewer are left.
fn without<'a>(made: &'a [f32], skip: &mut usize) -> &'a [f32] {
    let (skipped, made) = made.split_at((*skip).min(made.len()));
    *skip -= skipped.len();
    made
}

/// What the filter makes of a chunk, of which only the first `count` samples are sound. Nothing, where it cannot be made: the
/// sizes are those that the filter asks for.
fn processed(inner: &mut Async<f32>, chunk: &[f32], count: Option<usize>) -> Vec<f32> {
    let mut made = vec![0.0; inner.output_frames_next()];
    let frames = made.len();
    let indexing = Indexing { partial_len: count, ..Indexing::default() };
    let done = match (InterleavedSlice::new(chunk, 1, chunk.len()), InterleavedSlice::new_mut(&mut made, 1, frames)) {
        (Ok(input), Ok(mut output)) => inner.process_into_buffer(&input, &mut output, Some(&indexing)).map_or(0, |(_, written)| written),
        _ => 0,
    };
    made.truncate(done);
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tone of so many hertz.
    #[expect(clippy::cast_precision_loss, reason = "few samples")]
    fn tone(hertz: f32, rate: u32, samples: usize) -> Vec<f32> {
        (0..samples).map(|place| (place as f32 * hertz * std::f32::consts::TAU / rate as f32).sin() * 0.5).collect()
    }

    fn resampled(from: u32, samples: &[f32], piece: usize) -> Vec<f32> {
        let mut made = Vec::new();
        let mut resampler = Resampler::new(from, 16_000).unwrap();
        for piece in samples.chunks(piece) {
            resampler.push(piece, |samples| made.extend_from_slice(samples));
        }
        resampler.finish(|samples| made.extend_from_slice(samples));
        made
    }

    #[test]
    fn a_tone_stays_a_tone_of_the_same_length_however_it_is_cut() {
        for rate in [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 192_000] {
            let samples = tone(440.0, rate, rate as usize);
            let expected = tone(440.0, 16_000, 16_000);
            for piece in [1_000_000, 777] {
                let made = resampled(rate, &samples, piece);
                assert_eq!(made.len(), 16_000, "{rate} in pieces of {piece}");
                let middle = 1_000..15_000;
                let worst = made[middle.clone()].iter().zip(&expected[middle]).map(|(made, expected)| (made - expected).abs());
                let worst = worst.fold(0.0, f32::max);
                // The delay is told in whole samples; at the wrong rate the tones would be opposite somewhere.
                assert!(worst < 0.1, "{rate} in pieces of {piece}: {worst}");
            }
        }
    }

    #[test]
    fn what_engines_cannot_hear_does_not_come_back_as_something_else() {
        let made = resampled(48_000, &tone(12_000.0, 48_000, 48_000), 4_096);
        let loudest = made[1_000..15_000].iter().fold(0.0_f32, |loudest, sample| loudest.max(sample.abs()));
        assert!(loudest < 0.01, "{loudest}");
    }
}
