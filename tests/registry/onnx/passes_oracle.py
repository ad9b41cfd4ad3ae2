"""Judges what simplify_files made of ONNX files: FILE.simple against FILE.onnx in ONNX Runtime, FILE.shapes against onnx's
own shape inference.

usage: passes_oracle.py random DIR [--count N]   writes seeded random models to DIR
       passes_oracle.py judge DIR                compares; exit 1 when anything differs
"""

import argparse
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


class RandomModel:
    """A graph of float values [batch, 4, 6] with the operators that the passes rewrite, in random order."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes, self.initializers = [], []
        self.values = ["x"]

    def name(self, stem):
        return f"{stem}_{len(self.nodes)}_{len(self.initializers)}"

    def constant(self, array, stem="c"):
        name = self.name(stem)
        self.initializers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, op, inputs, **attributes):
        name = self.name(op.lower())
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def floats(self, *shape):
        return self.constant(self.random.standard_normal(shape).astype(np.float32))

    def pick(self):
        return self.values[self.random.integers(len(self.values))]

    def batch(self):
        """The batch as a one-element list, computed in the graph in one of two ways."""
        if self.random.integers(2):
            return self.node("Gather", [self.node("Shape", [self.pick()]), self.constant(np.array([0]))])
        return self.node("Slice", [self.node("Shape", [self.pick()]), self.constant(np.array([0])),
                                   self.constant(np.array([1])), self.constant(np.array([0]))])

    def known_numbers(self):
        """[4, 6] by a detour of arithmetic on constants and known dimensions."""
        size = self.node("Gather", [self.node("Shape", [self.pick()]), self.constant(np.array([2]))])
        halved = self.node("Div", [self.node("Mul", [size, self.constant(np.array([2]))]), self.constant(np.array([2]))])
        four = self.node("Sub", [halved, self.constant(np.array([2]))])
        if self.random.integers(2):
            four = self.node("Cast", [self.node("Cast", [four], to=TensorProto.FLOAT)], to=TensorProto.INT64)
        return self.node("Concat", [four, halved], axis=0)

    def reshape(self, x):
        target = self.node("Concat", [self.batch(), self.constant(np.array([24]))], axis=0)
        flat = self.node("Reshape", [x, target])
        flat = self.node("Flatten", [flat], axis=1) if self.random.integers(2) else flat
        back = self.node("Concat", [self.constant(np.array([-1])), self.known_numbers()], axis=0)
        return self.node("Reshape", [flat, back])

    def transposes(self, x):
        perm = self.random.permutation(3)
        turned = self.node("Transpose", [x], perm=perm.tolist())
        if self.random.integers(2):
            turned = self.node("Relu", [turned])
        return self.node("Transpose", [turned], perm=np.argsort(perm).tolist())

    def identities(self, x):
        x = self.node("Identity", [x])
        x = self.node("Cast", [x], to=TensorProto.FLOAT)
        x = self.node("Dropout", [x, self.constant(np.float32(0.5))])
        x = self.node("Concat", [x], axis=1)
        one = self.constant(np.array([1]))
        return self.node("Squeeze", [self.node("Unsqueeze", [x, one]), one])

    def norm(self, x, channels):
        mean, shift = self.floats(channels), self.floats(channels)
        scale, variance = (self.constant((np.abs(self.random.standard_normal(channels)) + 0.5).astype(np.float32))
                           for _ in range(2))
        return self.node("BatchNormalization", [x, scale, shift, mean, variance], epsilon=1e-3)

    def convolution(self, x):
        bias = [self.floats(4)] if self.random.integers(2) else []
        if self.random.integers(2):
            groups = int(self.random.choice([1, 2, 4]))
            y = self.node("Conv", [x, self.floats(4, 4 // groups, 3)] + bias, pads=[1, 1], group=groups)
        else:
            groups = int(self.random.choice([1, 2]))
            y = self.node("ConvTranspose", [x, self.floats(4, 4 // groups, 3)] + bias, pads=[1, 1], group=groups)
        return self.norm(y, 4)

    def gemm(self, x):
        flat = self.node("Reshape", [x, self.constant(np.array([-1, 6]))])
        turned = int(self.random.integers(2))
        bias = [[], [self.floats(6)], [self.floats(1)]][self.random.integers(3)]
        attributes = {"alpha": 0.5, "beta": 2.0} if self.random.integers(2) else {}
        y = self.norm(self.node("Gemm", [flat, self.floats(6, 6)] + bias, transB=turned, **attributes), 6)
        return self.node("Reshape", [y, self.constant(np.array([-1, 4, 6]))])

    def weight_moves(self, x):
        weight = self.node("Transpose", [self.floats(4, 6)], perm=[1, 0])
        weight = self.node("Reshape", [weight, self.constant(np.array([4, 6]))])
        chosen = self.node("Gather", [weight, self.constant(np.array([3, 0, -3, 1]))], axis=0)
        cut = self.node("Slice", [chosen, self.constant(np.array([-3])), self.constant(np.array([2**62])),
                                  self.constant(np.array([1]))])
        whole = self.node("Concat", [cut, cut], axis=1)
        return self.node("Add", [x, whole])

    def where(self, x):
        ones = self.node("ConstantOfShape", [self.known_numbers()],
                         value=helper.make_tensor("v", TensorProto.FLOAT, [1], [0.25]))
        mask = self.node("Less", [self.node("Range", [self.constant(np.int64(0)), self.constant(np.int64(6)),
                                                      self.constant(np.int64(1))]), self.constant(np.int64(3))])
        scale = self.node("Div", [self.constant(np.float32(1)), self.node("Sqrt", [self.constant(np.float32(6))])])
        grid = self.node("Expand", [self.node("Where", [mask, scale, self.constant(np.float32(-1))]),
                                    self.known_numbers()])
        return self.node("Mul", [self.node("Add", [x, ones]), grid])

    def twice(self, x):
        other = self.pick()
        return self.node("Sub", [self.node("Tanh", [x]), self.node("Mul", [self.node("Tanh", [x]), other])])

    def build(self, steps=8):
        makers = [self.reshape, self.transposes, self.identities, self.convolution, self.gemm, self.weight_moves,
                  self.where, self.twice]
        for _ in range(steps):
            self.values.append(makers[self.random.integers(len(makers))](self.pick()))
        outputs = ["y"]
        self.nodes.append(helper.make_node("Identity", [self.values[-1]], ["y"], name="y"))
        for i in range(self.random.integers(3)):  # an input, or a value that is an output already, as another one
            outputs.append(f"z{i}")
            self.nodes.append(helper.make_node("Identity", [self.pick()], [f"z{i}"], name=f"z{i}"))
        info = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4, 6])
        graph = helper.make_graph(self.nodes, "random", [info("x")], [info(o) for o in outputs], self.initializers)
        used = {i for node in self.nodes for i in node.input}
        for tensor in list(graph.initializer):
            if tensor.name not in used:
                graph.initializer.remove(tensor)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def write_random(folder, count):
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        onnx.save(RandomModel(seed).build(), folder / f"{seed}.onnx")


def session_of(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def inputs_of(path, session, rows):
    """The inputs that the exporter's test left beside the model; else random ones."""
    saved = path.parent / str(rows)
    if saved.is_dir():
        return {i.name: np.load(saved / f"input_{n}.npy") for n, i in enumerate(session.get_inputs())}
    random = np.random.default_rng(rows)
    return {i.name: random.standard_normal([d if isinstance(d, int) else rows for d in i.shape]).astype(np.float32)
            for i in session.get_inputs()}


def same_results(path):
    before, after = session_of(path), session_of(path.with_suffix(".simple"))
    for kind in ("get_inputs", "get_outputs"):
        names = [[(v.name, v.type) for v in getattr(s, kind)()] for s in (before, after)]
        assert names[0] == names[1], f"{kind}: {names}"
    for rows in (1, 3):
        feed = inputs_of(path, before, rows)
        for old, new in zip(before.run(None, feed), after.run(None, feed)):
            assert old.dtype == new.dtype
            np.testing.assert_allclose(new, old, rtol=1e-4, atol=1e-5)


def known_dims(text):
    return None if text == "*" else [d for d in text.split(",")] if text else []


def shapes_as_precise(path):
    """Each value that onnx knows has our type, rank and numbers; where onnx has a number, so have we."""
    ours = {}
    for line in path.with_suffix(".shapes").read_text().splitlines():
        name, kind, dims = line.split("\t")
        ours[name] = int(kind), known_dims(dims)
    model = onnx.load(path)
    del model.graph.value_info[:]  # what is declared would be no inference
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    compared = 0
    for value in list(inferred.graph.value_info) + list(inferred.graph.output):
        tensor = value.type.tensor_type
        kind, dims = ours[value.name]
        assert kind == tensor.elem_type, f"{value.name}: type {kind}, onnx {tensor.elem_type}"
        if not tensor.HasField("shape"):
            continue
        theirs = tensor.shape.dim
        assert dims is not None and len(dims) == len(theirs), f"{value.name}: {dims}, onnx {theirs}"
        for mine, other in zip(dims, theirs):
            if other.HasField("dim_value"):
                assert mine == str(other.dim_value), f"{value.name}: {dims}, onnx {other.dim_value}"
            elif other.dim_param and not other.dim_param.startswith("unk__"):
                assert mine != "?", f"{value.name}: {dims}, onnx {other.dim_param}"
        compared += 1
    return compared


def judge(folder):
    paths = sorted(folder.rglob("*.onnx"))
    if not paths:
        sys.exit(f"no model in {folder}")
    failed = shapes = 0
    for path in paths:
        try:
            onnx.checker.check_model(path.with_suffix(".simple").read_bytes(), full_check=True)
            shapes += shapes_as_precise(path)
            same_results(path)
        except Exception as error:  # the next one shall be judged all the same
            print(f"{path}: {type(error).__name__}: {error}")
            failed += 1
    print(f"{len(paths) - failed} of {len(paths)} models compute the same; {shapes} shapes compared")
    sys.exit(1 if failed else 0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["random", "judge"])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=150)
    arguments = parser.parse_args()
    if arguments.mode == "random":
        write_random(arguments.folder, arguments.count)
    else:
        judge(arguments.folder)


if __name__ == "__main__":
    main()
