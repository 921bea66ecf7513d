//! A sentence transformer: its graph, its way of cutting texts, and how one vector is made of those of the pieces.

use std::path::Path;
use std::sync::Arc;

use derive_more::{Display, Error};
use rten::{Model, ModelOptions, NodeId, OpRegistry, RunOptions, ThreadPool, ValueOrView, op_registry};
use rten_tensor::prelude::*;
use rten_tensor::{NdTensor, Tensor};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::wordpiece::Vocabulary;

/// Pieces of a text that are read where the model's files do not say.
const PIECES: usize = 512;
/// Texts that go through the graph together; more save nothing and wait for the longest of them.
const TOGETHER: usize = 8;
/// The largest file that is read as JSON or vocabulary.
const LARGEST: u64 = 64 << 20;

/// Why a directory holds no model that can be used.
#[derive(Debug, Display, Error)]
pub(crate) enum Unusable {
    /// A file cannot be read.
    #[display("{file} cannot be read")]
    File {
        /// Its name.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[display("{file} {what}")]
    Content {
        /// Its name.
        file: String,
        /// What is wrong with it.
        #[error(not(source))]
        what: String,
    },
    /// The graph failed.
    #[display("the model failed: {what}")]
    Run {
        /// How.
        #[error(not(source))]
        what: String,
    },
}

/// What graphs of sentence transformers are made of. The others are for images, sound and series, and for drawing lots; with them the
/// program would be half a megabyte larger.
fn operators() -> OpRegistry {
    op_registry!(
        Abs,
        Add,
        And,
        ArgMax,
        Cast,
        CastLike,
        Ceil,
        Clip,
        Concat,
        ConstantOfShape,
        Cos,
        CumSum,
        DequantizeLinear,
        Div,
        DynamicQuantizeLinear,
        Einsum,
        Equal,
        Erf,
        Exp,
        Expand,
        Flatten,
        Floor,
        Gather,
        GatherElements,
        GatherND,
        Gelu,
        Gemm,
        Greater,
        GreaterOrEqual,
        Identity,
        If,
        IsInf,
        IsNaN,
        LayerNormalization,
        Less,
        LessOrEqual,
        Log,
        LpNormalization,
        MatMul,
        MatMulInteger,
        Max,
        Mean,
        Min,
        Mod,
        Mul,
        Neg,
        Not,
        OneHot,
        Or,
        Pad,
        Pow,
        QuantizeLinear,
        Range,
        Reciprocal,
        ReduceL2,
        ReduceMax,
        ReduceMean,
        ReduceMin,
        ReduceSum,
        ReduceSumSquare,
        Relu,
        Reshape,
        RotaryEmbedding,
        Round,
        ScatterElements,
        ScatterND,
        Shape,
        Sigmoid,
        Sign,
        Sin,
        Size,
        Slice,
        Softmax,
        Softplus,
        Split,
        Sqrt,
        Squeeze,
        Sub,
        Sum,
        Tanh,
        Tile,
        Transpose,
        Trilu,
        Unsqueeze,
        Where,
        Xor
    )
}

fn content(file: &str, what: impl Into<String>) -> Unusable {
    Unusable::Content { file: file.to_owned(), what: what.into() }
}

/// How one vector is made of those of the pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pooling {
    Mean,
    First,
}

/// A model in memory.
pub(crate) struct SentenceModel {
    graph: Model,
    ids: NodeId,
    mask: Option<NodeId>,
    kinds: Option<NodeId>,
    vocabulary: Vocabulary,
    begin: u32,
    end: u32,
    padding: u32,
    pieces: usize,
    pooling: Pooling,
    dimension: usize,
    version: String,
    /// Questions do not wait behind passages, and neither takes more than one processor.
    threads: [Arc<ThreadPool>; 2],
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct TokenizerConfig {
    do_lower_case: Option<bool>,
    strip_accents: Option<bool>,
}

impl SentenceModel {
    /// Reads a model from its directory. Takes a while.
    pub(crate) fn read(directory: &Path) -> Result<Self, Unusable> {
        let bytes = read(directory, "model.onnx", u64::MAX)?;
        let version = hex::encode(Sha256::digest(&bytes).get(..6).unwrap_or_default());
        let graph = ModelOptions::with_ops(operators())
            .load(bytes)
            .map_err(|error| content("model.onnx", format!("is no graph that can be run: {error}")))?;
        let node = |name: &str| graph.find_node(name);
        let Some(ids) = node("input_ids") else { return Err(content("model.onnx", "has no input `input_ids`")) };
        let (mask, kinds) = (node("attention_mask"), node("token_type_ids"));
        let config: TokenizerConfig = json(directory, "tokenizer_config.json")?.unwrap_or_default();
        let vocabulary = vocabulary(directory, &config)?;
        let number = |piece: &str| vocabulary.number(piece).ok_or_else(|| content("the vocabulary", format!("has no `{piece}`")));
        let (begin, end, padding) = (number("[CLS]")?, number("[SEP]")?, number("[PAD]")?);
        let (pieces, pooling) = (pieces(directory)?, pooling(directory)?);
        let threads = [Arc::new(ThreadPool::with_num_threads(1)), Arc::new(ThreadPool::with_num_threads(1))];
        let mut model = Self { graph, ids, mask, kinds, vocabulary, begin, end, padding, pieces, pooling, dimension: 0, version, threads };
        // Files may be silent or wrong about it; an answer is not.
        let first = model.embed(&["a".to_owned()], false)?;
        model.dimension = first.first().map_or(0, Vec::len);
        if (1..=core_types::embeddings::MAX_DIMENSION).contains(&model.dimension) {
            Ok(model)
        } else {
            Err(content("model.onnx", format!("makes vectors of {} numbers", model.dimension)))
        }
    }

    pub(crate) const fn dimension(&self) -> usize {
        self.dimension
    }

    /// The first letters of the hash of its file.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// A vector of length 1 for each text. Takes the processor for a while.
    pub(crate) fn embed(&self, texts: &[String], question: bool) -> Result<Vec<Vec<f32>>, Unusable> {
        let mut cut: Vec<(usize, Vec<u32>)> = texts.iter().map(|text| self.cut(text)).enumerate().collect();
        // Those of the same length go together, since short ones are filled up to the longest.
        cut.sort_by_key(|(_, pieces)| pieces.len());
        let mut vectors = vec![Vec::new(); texts.len()];
        for together in cut.chunks(TOGETHER) {
            let made = self.run(together, question)?;
            for ((place, _), vector) in together.iter().zip(made) {
                if let Some(slot) = vectors.get_mut(*place) {
                    *slot = vector;
                }
            }
        }
        Ok(vectors)
    }

    fn cut(&self, text: &str) -> Vec<u32> {
        let mut pieces = vec![self.begin];
        pieces.extend(self.vocabulary.cut(text, self.pieces.saturating_sub(2)));
        pieces.push(self.end);
        pieces
    }

    fn run(&self, texts: &[(usize, Vec<u32>)], question: bool) -> Result<Vec<Vec<f32>>, Unusable> {
        let failed = |what: String| Unusable::Run { what };
        let width = texts.iter().map(|(_, pieces)| pieces.len()).max().unwrap_or(0);
        let shape = [texts.len(), width];
        let (mut ids, mut mask) = (Vec::with_capacity(texts.len() * width), Vec::with_capacity(texts.len() * width));
        for (_, pieces) in texts {
            let filled = pieces.iter().copied().chain(std::iter::repeat(self.padding)).take(width);
            ids.extend(filled.map(u32::cast_signed));
            mask.extend((0..width).map(|place| i32::from(place < pieces.len())));
        }
        let mut inputs: Vec<(NodeId, ValueOrView<'_>)> = vec![(self.ids, NdTensor::from_data(shape, ids).into())];
        if let Some(node) = self.mask {
            inputs.push((node, NdTensor::from_data(shape, mask.clone()).into()));
        }
        if let Some(node) = self.kinds {
            inputs.push((node, NdTensor::from_data(shape, vec![0_i32; texts.len() * width]).into()));
        }
        let output = *self.graph.output_ids().first().ok_or_else(|| failed("it has no output".to_owned()))?;
        let mut options = RunOptions::default();
        options.thread_pool = self.threads.get(usize::from(question)).cloned();
        let [made] = self.graph.run_n(inputs, [output], Some(options)).map_err(|error| failed(error.to_string()))?;
        let made: Tensor<f32> = made.into_tensor().ok_or_else(|| failed("its output is not of real numbers".to_owned()))?;
        let shape = made.shape().to_vec();
        let numbers = made.to_vec();
        match *shape.as_slice() {
            // One vector for each text already.
            [rows, size] if rows == texts.len() && size > 0 => Ok(numbers.chunks_exact(size).map(|vector| unit(vector.to_vec())).collect()),
            [rows, places, size] if rows == texts.len() && places == width && size > 0 => {
                let rows = numbers.chunks_exact(width * size).zip(mask.chunks_exact(width));
                Ok(rows.map(|(vectors, mask)| self.pool(vectors, mask, size)).collect())
            }
            _ => Err(failed(format!("its output has the shape {shape:?}"))),
        }
    }

    fn pool(&self, vectors: &[f32], mask: &[i32], size: usize) -> Vec<f32> {
        if self.pooling == Pooling::First {
            return unit(vectors.get(..size).unwrap_or_default().to_vec());
        }
        let mut sum = vec![0.0_f32; size];
        for (vector, _) in vectors.chunks_exact(size).zip(mask).filter(|(_, mask)| **mask != 0) {
            sum.iter_mut().zip(vector).for_each(|(sum, number)| *sum += number);
        }
        unit(sum)
    }
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    to_length_1(&mut vector);
    vector
}

/// Brings a vector to the length 1; one without a direction stays.
pub(crate) fn to_length_1(vector: &mut [f32]) {
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    if length > 0.0 && length.is_finite() {
        for number in vector {
            *number /= length;
        }
    }
}

/// What must be there, without reading it.
pub(crate) fn check(directory: &Path) -> Result<(), Unusable> {
    let is_there = |file: &str| directory.join(file).is_file();
    if !is_there("model.onnx") {
        return Err(content("model.onnx", "is not there"));
    }
    if is_there("vocab.txt") || is_there("tokenizer.json") { Ok(()) } else { Err(content("vocab.txt", "is not there, nor tokenizer.json")) }
}

fn read(directory: &Path, file: &str, most: u64) -> Result<Vec<u8>, Unusable> {
    let failed = |source| Unusable::File { file: file.to_owned(), source };
    let path = directory.join(file);
    if std::fs::metadata(&path).map_err(failed)?.len() > most {
        return Err(content(file, "is too large to be true"));
    }
    std::fs::read(&path).map_err(failed)
}

fn json<T: for<'d> Deserialize<'d>>(directory: &Path, file: &str) -> Result<Option<T>, Unusable> {
    if !directory.join(file).exists() {
        return Ok(None);
    }
    let bytes = read(directory, file, LARGEST)?;
    serde_json::from_slice(&bytes).map(Some).map_err(|error| content(file, format!("cannot be understood: {error}")))
}

fn vocabulary(directory: &Path, config: &TokenizerConfig) -> Result<Vocabulary, Unusable> {
    let lower_case = config.do_lower_case.unwrap_or(true);
    let strip_accents = config.strip_accents.unwrap_or(lower_case);
    if directory.join("vocab.txt").exists() {
        let bytes = read(directory, "vocab.txt", LARGEST)?;
        let text = String::from_utf8(bytes).map_err(|_| content("vocab.txt", "is not UTF-8"))?;
        let made = Vocabulary::new(text.lines(), lower_case, strip_accents);
        return made.ok_or_else(|| content("vocab.txt", "has no `[UNK]`, and so is of another kind of tokenizer than WordPiece"));
    }
    let file = "tokenizer.json";
    let whole: Value = json(directory, file)?.ok_or_else(|| content(file, "is not there"))?;
    if whole.pointer("/model/type").and_then(Value::as_str) != Some("WordPiece") {
        return Err(content(file, "is of another kind of tokenizer than WordPiece"));
    }
    let flag = |path: &str| whole.pointer(path).and_then(Value::as_bool);
    let lower_case = flag("/normalizer/lowercase").unwrap_or(lower_case);
    let strip_accents = flag("/normalizer/strip_accents").unwrap_or(lower_case);
    let pieces = whole.pointer("/model/vocab").cloned().unwrap_or_default();
    let pieces = serde_json::from_value(pieces).map_err(|error| content(file, format!("cannot be understood: {error}")))?;
    Vocabulary::numbered(pieces, lower_case, strip_accents).ok_or_else(|| content(file, "has no `[UNK]`"))
}

/// How many pieces of a text the model reads.
fn pieces(directory: &Path) -> Result<usize, Unusable> {
    let number = |file: &str, name: &str| {
        let whole: Option<Value> = json(directory, file)?;
        let number = whole.and_then(|whole| whole.get(name).and_then(Value::as_u64));
        Ok::<_, Unusable>(number.and_then(|number| usize::try_from(number).ok()))
    };
    let places = number("config.json", "max_position_embeddings")?;
    let usual = number("sentence_bert_config.json", "max_seq_length")?;
    Ok(places.into_iter().chain(usual).min().unwrap_or(PIECES).clamp(3, PIECES * 16))
}

fn pooling(directory: &Path) -> Result<Pooling, Unusable> {
    let file = "1_Pooling/config.json";
    let Some(whole) = json::<Value>(directory, file)? else { return Ok(Pooling::Mean) };
    let is = |name: &str| whole.get(name).and_then(Value::as_bool).unwrap_or(false);
    match (is("pooling_mode_mean_tokens"), is("pooling_mode_cls_token")) {
        (true, false) => Ok(Pooling::Mean),
        (false, true) => Ok(Pooling::First),
        _ => Err(content(file, "asks for a way of pooling that is neither mean nor first")),
    }
}
