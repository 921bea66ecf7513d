"""Distils a sentence transformer into a table with one small vector for each word piece.

    python3 tools/static_table.py FLOAT_DIRECTORY TABLE [--dimension 128]

FLOAT_DIRECTORY is what `tools/minilm.py --float` makes. Every piece of the vocabulary goes through the model alone; the
vectors lose what they have in common and keep their first principal components; a piece counts the more the rarer it is,
by its rank in the vocabulary, which is ordered by frequency (the way of model2vec, Tulkens and van Dongen, 2024). A text's
vector is the sum of those of its pieces. That is far less than the model knows, and far more than equal words.

The table: the eight letters DLTABLE1; the dimension and the number of pieces, 32 bits each; for each piece a float32
scale; for each piece its numbers, a byte each; the vocabulary, a line for each piece. All in the order of little ends.
"""

import argparse
import pathlib

import numpy as np
import onnxruntime

BATCH = 512


def pieces_alone(session, vocabulary):
    """The mean of what the model makes of `[CLS] piece [SEP]`, for each piece."""
    begin, end = vocabulary.index("[CLS]"), vocabulary.index("[SEP]")
    vectors = []
    for first in range(0, len(vocabulary), BATCH):
        pieces = np.arange(first, min(first + BATCH, len(vocabulary)), dtype=np.int64)
        ids = np.stack([np.full_like(pieces, begin), pieces, np.full_like(pieces, end)], axis=1)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        vectors.append(session.run(None, inputs)[0].mean(axis=1))
    return np.concatenate(vectors).astype(np.float64)


def table(vectors, vocabulary, dimension):
    """The principal components, weighted; zeros for pieces that no text has."""
    said = np.array([not (piece.startswith("[") and piece.endswith("]") and len(piece) > 1) for piece in vocabulary])
    centred = vectors - vectors[said].mean(axis=0)
    _, _, directions = np.linalg.svd(centred[said], full_matrices=False)
    # The sign of a direction is arbitrary; it is chosen so that the same model makes the same table.
    directions = directions[:dimension]
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    components = centred @ (directions * np.sign(largest)).T
    rank = np.cumsum(said)
    return components * np.log1p(rank)[:, None] * said[:, None]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("table", type=pathlib.Path)
    parser.add_argument("--dimension", type=int, default=128)
    arguments = parser.parse_args()
    text = (arguments.model / "vocab.txt").read_text(encoding="utf-8")
    vocabulary = text.removesuffix("\n").split("\n")
    session = onnxruntime.InferenceSession(arguments.model / "model.onnx", providers=["CPUExecutionProvider"])
    numbers = table(pieces_alone(session, vocabulary), vocabulary, arguments.dimension)
    largest = np.abs(numbers).max(axis=1)
    scales = (largest / 127.0).astype("<f4")
    whole = np.rint(numbers / np.where(largest > 0, largest, 1)[:, None] * 127.0).astype(np.int8)
    head = b"DLTABLE1" + np.array([arguments.dimension, len(vocabulary)], dtype="<u4").tobytes()
    arguments.table.write_bytes(head + scales.tobytes() + whole.tobytes() + text.encode())


if __name__ == "__main__":
    main()
