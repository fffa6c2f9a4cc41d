"""The tensors of Kokoro's int8 ONNX export, dequantised and under the names of PyTorch's modules.

Weight normalisation is taken apart again: v is the weight and g its norm.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from onnx import GraphProto, NodeProto
from onnx.numpy_helper import to_array

from scripts.real_weights.folder import Array

_GATES = (0, 2, 3, 1)  # ONNX has input, output, forget, cell; PyTorch input, forget, cell, output
_CONVOLUTIONS = ("Conv", "ConvTranspose", "ConvInteger")
_POOLER = 768  # the export leaves out ALBERT's pooler; nothing uses its output, loaders want it


def clean(name: str) -> str:
    """A tensor's or node's name to the module's."""
    name = name.strip("/").replace("/", ".")
    name = re.sub(r"^(encoder|decoder)\.", "", name, count=1)
    name = re.sub(r"(cnn\.\d)\.cnn\.\d\.", r"\1.", name).replace("asr_res.asr_res", "asr_res")
    return f"predictor.{name}" if re.match(r"(F0|N)[._]|shared", name) else name


class KokoroWeights:
    """Reads one graph."""

    def __init__(self, graph: GraphProto) -> None:
        self._nodes: Sequence[NodeProto] = list(graph.node)
        self._raw: dict[str, Array] = {tensor.name: to_array(tensor) for tensor in graph.initializer}
        self._zeros = self._zero_points()
        self._out: dict[str, Array] = {}

    def convert(self) -> dict[str, Array]:
        """In float32."""
        self._named()
        for node in self._nodes:
            module = clean(node.name).rsplit(".", 1)[0]
            if node.op_type in _CONVOLUTIONS:
                self._convolution(module, node)
            elif node.op_type in ("MatMul", "MatMulInteger"):
                self._matrix(module, node)
            elif node.op_type == "DynamicQuantizeLSTM":
                self._lstm(module, node)
        self._out["bert.pooler.weight"], self._out["bert.pooler.bias"] = np.zeros((_POOLER, _POOLER)), np.zeros(_POOLER)
        return {name: array.astype(np.float32) for name, array in self._out.items()}

    def _zero_points(self) -> dict[str, Array]:
        """Of quantised tensors, by their use: equal tensors are stored once, under the name of one of them."""
        found = {
            node.input[1]: self._raw[node.input[3]]
            for node in self._nodes
            if node.op_type in ("ConvInteger", "MatMulInteger") and len(node.input) > 3 and node.input[1] in self._raw
        }
        gathered = {node.output[0]: node.input[0] for node in self._nodes if node.op_type == "Gather"}
        return found | {
            gathered[node.input[0]]: self._raw[node.input[2]]
            for node in self._nodes
            if node.op_type == "DequantizeLinear" and node.input[0] in gathered
        }

    def _real(self, stem: str) -> Array:
        """A quantised tensor; its scale is of the whole or of the last axis."""
        zero = self._zeros.get(f"{stem}_quantized")
        zero = self._raw[f"{stem}_zero_point"] if zero is None else zero
        values = self._raw[f"{stem}_quantized"].astype(np.float32) - zero.astype(np.float32)
        return np.asarray(values * self._raw[f"{stem}_scale"])

    def _named(self) -> None:
        """Tensors that kept their module's name."""
        for name, array in self._raw.items():
            skipped = name.endswith(("_scale", "_zero_point", "_shape")) or "istft" in name
            if skipped or not name.startswith(("encoder.", "decoder.")):
                continue
            stem = name.removesuffix("_quantized")
            if stem != name:
                array = self._real(stem).T if ".fc.weight" in name else self._real(stem)
            self._out[clean(stem)] = array

    def _convolution(self, module: str, node: NodeProto) -> None:
        if "istft" in module or f"{module}.weight" in self._out:
            return
        name = node.input[1]
        if node.op_type == "ConvInteger":
            weight = self._real(name.removesuffix("_quantized"))
        elif name in self._raw:
            weight = self._raw[name]
        else:
            return
        norms = np.sqrt((weight.reshape(len(weight), -1) ** 2).sum(1))
        self._out[f"{module}.weight_v"], self._out[f"{module}.weight_g"] = weight, norms.reshape(-1, 1, 1)

    def _matrix(self, module: str, node: NodeProto) -> None:
        name = node.input[1]
        if not name.startswith("onnx::"):
            return
        if node.op_type == "MatMul":
            self._out[f"{module}.weight"] = self._raw[name].T
        else:  # one layer may be applied at several places; their nodes are numbered
            target = f"{re.sub(r'_[0-9]+$', '', module)}.weight"
            self._out.setdefault(target, self._real(name.removesuffix("_quantized")).T)

    def _lstm(self, module: str, node: NodeProto) -> None:
        bias, scales = self._raw[node.input[3]], node.input[8:12]
        for direction, end in enumerate(("", "_reverse")):
            for kind, name, (scale, zero) in (("ih", node.input[1], scales[:2]), ("hh", node.input[2], scales[2:])):
                shifted = self._raw[name][direction].astype(np.float32) - self._of(zero, direction)
                self._out[f"{module}.weight_{kind}_l0{end}"] = _gates((shifted * self._of(scale, direction)).T)
            first, second = np.split(bias[direction], 2)
            self._out[f"{module}.bias_ih_l0{end}"] = _gates(first)
            self._out[f"{module}.bias_hh_l0{end}"] = _gates(second)

    def _of(self, name: str, direction: int) -> Array:
        """A scale or zero point: one for all, one a direction, or one a column and direction."""
        values = self._raw[name].astype(np.float32)
        return values.reshape(-1) if values.size == 1 else values.reshape(2, -1)[direction]


def _gates(array: Array) -> Array:
    parts = np.split(array, 4)
    return np.concatenate([parts[gate] for gate in _GATES])
