"""Makes what the tests of crates/embed-local hold it against, with other people's programs.

    python3 tools/embedding_fixtures.py crates/embed-local/tests

`tiny/`: a sentence transformer with random weights, small enough to keep, and the vectors that ONNX Runtime makes by it.
`wordpieces.json`: how the library `tokenizers` cuts texts that are hard to cut, by the vocabulary of `data/static-en.bin`.
"""

import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from tokenizers import BertWordPieceTokenizer

import bert_onnx

WORDS = """[PAD] [UNK] [CLS] [SEP] [MASK] the a cat dog sat on mat rain ##s ##ing fall green tea is good . , ! ?""".split()
SAID = ["The cat sat on the mat.", "rains falling", "Green tea is GOOD!", "xylophone", "a", "the " * 100]
HARD = [
    "Hello, world! It's 5 o'clock.",
    "Crème brûlée À LA CARTE, naïve café",
    "東京は日本の首都です。 学校 한국어 ไทย",
    "emoji 😀 and \u200bzero\u200d width, \ufefftail",
    "ﬁne ﬂuﬀy ligatures, İstanbul ı ß ẞ",
    "tabs\tand\nnewlines\r\n   and \u00a0nbsp",
    "a" * 101 + " supercalifragilisticexpialidocious",
    "price: $3.50 (50% off) — “quoted” … #tag @user a_b",
    "मानक हिन्दी عربى עברית Ελληνικά русский",
    "",
    "   ",
    "x\u0301\u0302\u0303 combining ˚ ` ^ ~ + = | <>",
]


def weights(config, random):
    """Random weights by the names of a checkpoint."""
    hidden, wide = config["hidden_size"], config["intermediate_size"]
    shapes = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], hidden),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], hidden),
        "embeddings.token_type_embeddings.weight": (2, hidden),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in range(config["num_hidden_layers"]):
        own = f"encoder.layer.{layer}"
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            shapes[f"{own}.{part}.weight"], shapes[f"{own}.{part}.bias"] = (hidden, hidden), (hidden,)
        shapes[f"{own}.intermediate.dense.weight"], shapes[f"{own}.intermediate.dense.bias"] = (wide, hidden), (wide,)
        shapes[f"{own}.output.dense.weight"], shapes[f"{own}.output.dense.bias"] = (hidden, wide), (hidden,)
        norms += [f"{own}.attention.output.LayerNorm", f"{own}.output.LayerNorm"]
    made = {name: random.normal(0, 0.4, shape).astype(np.float32) for name, shape in shapes.items()}
    for norm in norms:
        made[f"{norm}.weight"], made[f"{norm}.bias"] = np.ones(hidden, np.float32), np.zeros(hidden, np.float32)
    return made


def tiny(directory):
    config = {
        "vocab_size": len(WORDS), "hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2,
        "num_hidden_layers": 2, "max_position_embeddings": 24, "layer_norm_eps": 1e-12,
    }
    directory.mkdir(parents=True, exist_ok=True)
    onnx.save(bert_onnx.model(config, weights(config, np.random.default_rng(7))), directory / "model.onnx")
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (directory / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    session = onnxruntime.InferenceSession(directory / "model.onnx", providers=["CPUExecutionProvider"])
    cutter = BertWordPieceTokenizer(str(directory / "vocab.txt"), lowercase=True)
    cutter.enable_truncation(config["max_position_embeddings"])
    expected = []
    for text in SAID:
        ids = np.array([cutter.encode(text).ids], dtype=np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        mean = session.run(None, inputs)[0][0].mean(axis=0)
        expected.append({"text": text, "vector": [round(float(number), 6) for number in mean / np.linalg.norm(mean)]})
    (directory / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


def wordpieces(directory):
    table = (directory.parent / "data" / "static-en.bin").read_bytes()
    dimension, rows = np.frombuffer(table, "<u4", 2, 8)
    vocabulary = directory / "vocab.tmp"
    vocabulary.write_bytes(table[16 + 4 * int(rows) + int(rows) * int(dimension):])
    cutter = BertWordPieceTokenizer(str(vocabulary), lowercase=True)
    vocabulary.unlink()
    cut = [{"text": text, "ids": cutter.encode(text, add_special_tokens=False).ids} for text in HARD]
    (directory / "wordpieces.json").write_text(json.dumps(cut, indent=1, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    place = pathlib.Path(sys.argv[1])
    tiny(place / "tiny")
    wordpieces(place)
