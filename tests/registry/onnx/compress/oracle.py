"""Judges compressed models with numpy's own quantised arithmetic and with two engines.

usage: oracle.py DIR
DIR is what write_cases made. Exit 1 when onnx's full check refuses a model, when a quantised number is not the one that
numpy computes, or when ONNX Runtime or OpenVINO compute something else than that arithmetic says.
"""
import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import numpy_helper, version_converter
from onnx.reference import ReferenceEvaluator

FORMS = ["dynamic", "weight_only", "fp16", "prune_tensor", "prune_global", "static_minmax", "static_percentile",
         "static_entropy"]
# Of the largest output. What the forms may lose against f32 is a sanity bound, not a claim.
LOSS = {"dynamic": 0.05, "weight_only": 0.05, "fp16": 0.01, "static_minmax": 0.06, "static_percentile": 0.06}


def constants(model):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def with_onnxruntime(model, rows, names=None, as_it_says=False):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if as_it_says:  # else activations in front of int8 weights are quantised, asked or not
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(names, {session.get_inputs()[0].name: rows})


def with_openvino(model, rows):
    compiled = openvino.Core().compile_model(
        openvino.Core().read_model(model.SerializeToString()), "CPU",
        {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"})
    return compiled({0: rows})[0]


def distance(got, wanted):
    """The largest deviation, of the largest number wanted."""
    return float(np.max(np.abs(got - wanted)) / np.max(np.abs(wanted)))


def exact(got, wanted, what):
    if got.shape != wanted.shape or got.dtype != wanted.dtype or not np.array_equal(got, wanted):
        raise AssertionError(f"{what}: {got.dtype}{got.shape} is not {wanted.dtype}{wanted.shape} of numpy")


def per_channel(weight, axis, floor=None):
    """int8 and scales, by the rule in compress.h."""
    others = tuple(i for i in range(weight.ndim) if i != axis)
    scale = (np.abs(weight).max(axis=others) / np.float32(127)).astype(np.float32)
    if floor is not None:
        scale = np.maximum(scale, floor)
    scale[scale == 0] = 1
    shape = [-1 if i == axis else 1 for i in range(weight.ndim)]
    return np.clip(np.rint(weight / scale.reshape(shape)), -127, 127).astype(np.int8), scale


def row_range(x, never_negative):
    """The scales (B, 1) and the zero point, by the rule in compress.h."""
    most = np.maximum(np.abs(x).max(axis=-1, keepdims=True), np.float32(1e-30))
    return most * np.float32(1 / (255 if never_negative else 127)), np.uint8(0 if never_negative else 128)


def check_weights(full, model):
    """Every constant of int8 is what numpy makes of the weight that it is named after."""
    before, after, seen = constants(full), constants(model), 0
    for name, levels in after.items():
        if levels.dtype != np.int8:
            continue
        if name.endswith(".zero_point"):
            assert not levels.any(), name
            continue
        weight = before[name.removesuffix(".int8")]
        users = [node for node in model.graph.node if name in node.input]
        for node in users:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            if node.op_type == "MatMulInteger":
                axis, turned = 1, weight.shape != levels.shape
                turned = turned or is_transposed(full, name.removesuffix(".int8"))
                wanted, _ = per_channel(weight.T if turned else weight, axis)
                exact(levels, wanted, name)
            elif node.op_type == "DequantizeLinear":
                scale = after[node.input[1]]
                others = tuple(i for i in range(weight.ndim) if i != attributes["axis"])
                least = np.abs(weight).max(axis=others) / np.float32(127)
                widened = (scale > least) & (least > 0)  # for a bias; check_static looks at those
                wanted, natural = per_channel(weight, attributes["axis"], np.where(widened, scale, 0).astype(np.float32))
                natural[least == 0] = scale[least == 0]
                exact(levels, wanted, name)
                exact(scale, natural, node.input[1])
            else:
                assert node.op_type == "Gather", node.op_type
                wanted, scale = per_channel(weight, 0)
                exact(levels, wanted, name)
                columns = [n for n in model.graph.node if n.op_type == "Gather" and after.get(n.input[0]) is not None
                           and after[n.input[0]].dtype == np.float32]
                exact(after[columns[0].input[0]], scale[:, None], columns[0].input[0])
            seen += 1
    assert seen, "no weight of int8"


def is_transposed(full, weight):
    return any(a.name == "transB" and a.i for node in full.graph.node if weight in node.input for a in node.attribute)


def check_dynamic_mlp(full, model, rows):
    """The whole of the MLP again, from the f32 weights; the integer sums must be equal to the last bit."""
    w = constants(full)
    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    sums = [node.output[0] for node in model.graph.node if node.op_type == "MatMulInteger"]
    quantised = [node.output[0] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    for name in sums:
        observed.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT32, None))
    for name in quantised:
        observed.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, None))
    answer, *between = with_onnxruntime(observed, rows)
    x = rows
    layers = [(w["w1"], w["b1"], 1.0, 1.0), (w["w2"].T, w["b2"], 0.5, 2.0), (w["w3"], w["b3"], 1.0, 1.0)]
    for i, (weight, bias, alpha, beta) in enumerate(layers):
        scale, zero = row_range(x, never_negative=i > 0)
        levels, weight_scale = per_channel(np.ascontiguousarray(weight), 1)
        # A value a hair from the middle of two levels may fall to either side: numpy goes on with the engine's.
        q = np.clip(np.rint(x / scale) + zero, 0, 255).astype(np.uint8)
        engine_q = between[len(sums) + i]
        assert np.mean(q != engine_q) < 1e-3 and np.max(np.abs(q.astype(int) - engine_q)) <= 1, sums[i]
        total = (engine_q.astype(np.int32) - np.int32(zero)) @ levels.astype(np.int32)
        exact(between[i], total.astype(np.int32), sums[i])
        x = total * scale * (weight_scale * np.float32(alpha)) + np.float32(beta) * bias
        if i < 2:
            x = np.maximum(x, 0)
        x = x.astype(np.float32)
    assert distance(answer, x) < 1e-5, "the MLP in numpy's integers"


def entropy_cut(x, bins=2048, levels=128):
    """Migacz 2017 by the book, on |x|."""
    most = np.abs(x).max()
    counts = np.histogram(np.abs(x), bins=bins, range=(0, most))[0].astype(float)
    best, least = bins, np.inf
    for kept in range(levels, bins + 1):
        p = counts[:kept].copy()
        inside = p.sum()
        p[-1] += counts.sum() - inside
        edges = [level * kept // levels for level in range(levels + 1)]
        q = np.zeros(kept)
        for begin, end in zip(edges, edges[1:]):
            filled = p[begin:end] > 0
            if filled.any():
                q[begin:end][filled] = counts[begin:end].sum() / filled.sum()
        p, q = np.maximum(p, 1e-4), np.maximum(q, 1e-4)
        p, q = p / p.sum(), q / q.sum()
        divergence = np.sum(p * np.log(p / q))
        if divergence < least:
            least, best = divergence, kept
    return best / bins * most


def check_ranges(full, rows, folder):
    observed = onnx.ModelProto()
    observed.CopyFrom(full)
    ranges = {m: json.loads((folder / f"ranges_{m}.json").read_text()) for m in ("minmax", "percentile", "entropy")}
    points = sorted(ranges["minmax"])
    inner = [p for p in points if p != rows_name(full)]
    for name in inner:
        observed.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    values = dict(zip(inner, with_onnxruntime(observed, rows)[1:]))
    values[rows_name(full)] = rows
    for name in points:
        x = values[name].astype(np.float64).ravel()
        low, high = min(x.min(), 0), max(x.max(), 0)
        width = max(-low, high) / 2048
        near = lambda got, wanted, by: abs(got - wanted) <= by
        got = ranges["minmax"][name]
        assert near(got[0], low, 1e-4 * width * 2048) and near(got[1], high, 1e-4 * width * 2048), (name, got)
        got = ranges["percentile"][name]
        wanted = np.quantile(x, [5e-5, 1 - 5e-5], method="inverted_cdf")
        assert near(got[0], min(wanted[0], 0), 1.01 * width) and near(got[1], max(wanted[1], 0), 1.01 * width), name
        if name != points[0]:
            continue  # numpy takes a second for each
        got, cut = ranges["entropy"][name], entropy_cut(x)
        # Rounding moves single values over a bin's edge, and with them the cut by a few bins.
        assert near(got[1], min(high, cut), 12 * width) and near(got[0], max(low, -cut), 12 * width), (name, got, cut)


def rows_name(model):
    return model.graph.input[0].name


def check_static(full, model, ranges):
    """Scales, zero points and biases from the ranges, by the formulas of QuantizeLinear."""
    before, after = constants(full), constants(model)
    scales = {}
    for node in model.graph.node:
        if node.op_type != "QuantizeLinear":
            continue
        value = node.input[0].removesuffix(".unfused")
        low, high = (np.float32(v) for v in ranges[value])
        scale = np.float32((high - low) / np.float32(255))
        exact(after[node.input[1]], np.asarray(scale), node.input[1])
        exact(after[node.input[2]], np.asarray(np.uint8(np.clip(np.rint(-low / scale), 0, 255))), node.input[2])
        scales[value + ".dequantized"] = scale
    made = {node.output[0]: node for node in model.graph.node}
    biases = 0
    for node in model.graph.node:
        if node.op_type not in ("Conv", "Gemm") or len(node.input) < 3 or node.input[2] not in made:
            continue
        levels, scale = (after[name] for name in made[node.input[2]].input)
        weights, weight_scale = (after[name] for name in made[node.input[1]].input[:2])
        bias = before[made[node.input[2]].input[0].removesuffix(".int32")]
        exact(scale, scales[node.input[0]] * weight_scale, "scale of a bias")
        exact(levels, np.rint(bias.astype(np.float64) / scale).astype(np.int32), "bias")
        assert np.abs(levels.astype(np.int64)).max() <= 2**30 + 64
        error = np.abs(levels * scale.astype(np.float64) - bias)
        assert np.all(error <= scale), "a bias is off by more than a step"
        biases += 1
    return biases


def with_weights_of(full, model):
    """The f32 model, its weights rounded as those of int8 are."""
    rounded, levels = onnx.ModelProto(), constants(model)
    rounded.CopyFrom(full)
    for tensor in rounded.graph.initializer:
        if f"{tensor.name}.int8" in levels:
            axis = next((a.i for node in model.graph.node if f"{tensor.name}.int8" in node.input
                         for a in node.attribute if node.op_type == "DequantizeLinear"), 0)
            q, scale = per_channel(numpy_helper.to_array(tensor), axis)
            shape = [-1 if i == axis else 1 for i in range(q.ndim)]
            tensor.CopyFrom(numpy_helper.from_array(q * scale.reshape(shape), tensor.name))
    return rounded


def check_half(full, model):
    before = constants(full)
    for name, value in constants(model).items():
        if value.dtype == np.float16:
            wanted = before[name.removesuffix(".float16")].astype(np.float16)
            exact(value.view(np.uint16), wanted.view(np.uint16), name)
    for end in [*model.graph.input, *model.graph.output]:
        assert end.type.tensor_type.elem_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.INT64), end.name


def check_prune(full, model, share, together):
    before, after = constants(full), constants(model)
    used = {node.input[1] for node in full.graph.node if node.op_type in ("MatMul", "Gemm", "Conv")}
    chosen = [name for name in before if name in used and before[name].size >= 64]
    groups = [chosen] if together else [[name] for name in chosen]
    for group in groups:
        flat = np.concatenate([before[name].ravel() for name in group])
        zeroed = np.argsort(np.abs(flat), kind="stable")[: int(share * flat.size)]
        flat[zeroed] = 0
        exact(np.concatenate([after[name].ravel() for name in group]), flat, str(group))
    for name in before:
        if name not in chosen:
            exact(after[name], before[name], name)


def judge(folder):
    full = onnx.load(folder / "f32.onnx")
    rows = np.load(folder / "rows.npy")
    wanted = with_onnxruntime(full, rows)[0]
    check_ranges(full, rows, folder)
    for form in FORMS:
        path = folder / f"{form}.onnx"
        onnx.checker.check_model(str(path), full_check=True)
        model = onnx.load(path)
        if form == "dynamic" or form == "weight_only" or form.startswith("static"):
            check_weights(full, model)
        if form == "dynamic" and folder.name == "mlp":
            check_dynamic_mlp(full, model, rows)
        if form.startswith("static"):
            ranges = json.loads((folder / f"ranges_{form[7:]}.json").read_text())
            check_static(full, model, ranges)
        if form == "fp16":
            check_half(full, model)
        if form.startswith("prune"):
            check_prune(full, model, 0.5 if form == "prune_tensor" else 0.3, form == "prune_global")
        # onnx's reference evaluator is numpy, node by node, without fusion; it knows DequantizeLinear from set 19 on.
        numpys = ReferenceEvaluator(version_converter.convert_version(model, 21)).run(None, {rows_name(full): rows})[0]
        if form == "weight_only":
            faithful = with_onnxruntime(with_weights_of(full, model), rows)[0]
            assert distance(numpys, faithful) < 1e-5, "f32 with the weights that int8 stands for"
        if form == "dynamic":
            alone = np.concatenate([with_onnxruntime(model, rows[i:i + 1])[0] for i in range(4)])
            assert distance(alone, numpys[:4]) < 1e-5, "an answer depends on the rows beside it"
        engines = {"onnxruntime": with_onnxruntime(model, rows, as_it_says=form == "weight_only")[0], "openvino": with_openvino(model, rows)}
        line = [f"{folder.name:14} {form:18} {path.stat().st_size:7} B"]
        for name, answer in engines.items():
            off, lost = distance(answer, numpys), distance(answer, wanted)
            line.append(f"{name}: {off:.1e} of numpy, {lost:.1e} of f32")
            yield from ([f"{line[0]}: {name} is {off:.2e} off numpy"] if off > STEP.get(form[:6], 1e-5) else [])
            if form in LOSS and lost > LOSS[form]:
                yield f"{line[0]}: {name} is {lost:.2e} off f32"
        print(*line, sep="  ")


# An activation a hair from the middle of two levels may fall to either side, and with it what follows by a step.
STEP = {"dynami": 1e-2, "static": 2e-2, "fp16": 5e-3}


def main(folder):
    floats, halves = np.load(folder / "floats.npy"), np.load(folder / "halves.npy")
    with np.errstate(over="ignore"):
        exact(halves, floats.astype(np.float16).view(np.uint16), "float16")
    wrong = [finding for case in sorted(p for p in folder.iterdir() if p.is_dir()) for finding in judge(case)]
    print("\n".join(wrong) or "all agree")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
