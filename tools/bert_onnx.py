"""Writes a BERT encoder as an ONNX graph, from its configuration and its named weights.

Inputs: `input_ids`, `attention_mask` and `token_type_ids`, each int64 [batch, tokens]. Output: `last_hidden_state`,
float32 [batch, tokens, hidden]. Position ids are a slice of the position table, which every runtime understands.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


class Graph:
    """Nodes and constants as they are added."""

    def __init__(self):
        self.nodes, self.constants, self.count = [], [], 0

    def constant(self, array, name=None):
        name = name or self.name("constant")
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def name(self, stem):
        self.count += 1
        return f"{stem}_{self.count}"

    def add(self, operator, *inputs, **attributes):
        output = self.name(operator.lower())
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        return output

    def linear(self, x, weights, prefix):
        """`x` times the transposed weight, plus the bias."""
        weight = self.constant(weights[f"{prefix}.weight"].T, f"{prefix}.weight")
        bias = self.constant(weights[f"{prefix}.bias"], f"{prefix}.bias")
        return self.add("Add", self.add("MatMul", x, weight), bias)

    def norm(self, x, weights, prefix, epsilon):
        scale = self.constant(weights[f"{prefix}.weight"], f"{prefix}.weight")
        bias = self.constant(weights[f"{prefix}.bias"], f"{prefix}.bias")
        return self.add("LayerNormalization", x, scale, bias, axis=-1, epsilon=epsilon)


def model(config, weights):
    """The encoder as a checked ONNX model. `weights` maps names as in the original checkpoint to float32 arrays."""
    hidden, heads, epsilon = config["hidden_size"], config["num_attention_heads"], config["layer_norm_eps"]
    size = hidden // heads
    graph = Graph()
    integers = lambda *values: graph.constant(np.array(values, dtype=np.int64))
    floats = lambda value: graph.constant(np.array(value, dtype=np.float32))

    words = graph.constant(weights["embeddings.word_embeddings.weight"], "embeddings.word_embeddings.weight")
    places = graph.constant(weights["embeddings.position_embeddings.weight"], "embeddings.position_embeddings.weight")
    kinds = graph.constant(weights["embeddings.token_type_embeddings.weight"], "embeddings.token_type_embeddings.weight")
    length = graph.add("Slice", graph.add("Shape", "input_ids"), integers(1), integers(2))
    x = graph.add("Add", graph.add("Gather", words, "input_ids"), graph.add("Gather", kinds, "token_type_ids"))
    x = graph.add("Add", x, graph.add("Slice", places, integers(0), length, integers(0)))
    x = graph.norm(x, weights, "embeddings.LayerNorm", epsilon)

    mask = graph.add("Cast", "attention_mask", to=TensorProto.FLOAT)
    mask = graph.add("Mul", graph.add("Sub", floats(1.0), mask), floats(-1e9))
    mask = graph.add("Unsqueeze", mask, integers(1, 2))
    split, joined = integers(0, 0, heads, size), integers(0, 0, hidden)
    for layer in range(config["num_hidden_layers"]):
        own = f"encoder.layer.{layer}"
        parts = {}
        for part in ("query", "key", "value"):
            projected = graph.linear(x, weights, f"{own}.attention.self.{part}")
            order = [0, 2, 3, 1] if part == "key" else [0, 2, 1, 3]
            parts[part] = graph.add("Transpose", graph.add("Reshape", projected, split), perm=order)
        scores = graph.add("Mul", graph.add("MatMul", parts["query"], parts["key"]), floats(size**-0.5))
        attention = graph.add("Softmax", graph.add("Add", scores, mask), axis=-1)
        seen = graph.add("Transpose", graph.add("MatMul", attention, parts["value"]), perm=[0, 2, 1, 3])
        seen = graph.linear(graph.add("Reshape", seen, joined), weights, f"{own}.attention.output.dense")
        x = graph.norm(graph.add("Add", seen, x), weights, f"{own}.attention.output.LayerNorm", epsilon)
        wide = graph.linear(x, weights, f"{own}.intermediate.dense")
        bent = graph.add("Add", graph.add("Erf", graph.add("Div", wide, floats(2.0**0.5))), floats(1.0))
        wide = graph.add("Mul", graph.add("Mul", wide, bent), floats(0.5))
        narrow = graph.linear(wide, weights, f"{own}.output.dense")
        x = graph.norm(graph.add("Add", narrow, x), weights, f"{own}.output.LayerNorm", epsilon)
    graph.nodes.append(helper.make_node("Identity", [x], ["last_hidden_state"], name="output"))

    shape = ["batch", "tokens"]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, shape)
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*shape, hidden])
    made = helper.make_graph(graph.nodes, "bert", inputs, [output], graph.constants)
    made = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(made)
    return made
