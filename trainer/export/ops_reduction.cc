#include <cmath>

#include "trainer/export/call.h"

namespace muster::exporting {
namespace {

std::int64_t Keeps(Call& call) { return call.Flag("keepdim") ? 1 : 0; }

/// ReduceSum takes its axes as an input since set 13, its siblings as an attribute until 18.
std::string Sum(Call& call, const std::string& value, const Ints& axes, std::int64_t keep) {
  return call.Node("ReduceSum", {value, call.graph().Int64s(axes)}, {{"keepdims", keep}});
}

std::string Mean(Call& call, const std::string& value, const Ints& axes, std::int64_t keep) {
  return call.Node("ReduceMean", {value}, {{"axes", axes}, {"keepdims", keep}});
}

void SumOf(Call& call) {
  const Ints axes = call.Axes("dim", call.Type("self").rank());
  call.Return(Sum(call, call.In("self", call.Out().dtype), axes, Keeps(call)));
}

void MeanOf(Call& call) {
  const Ints axes = call.Axes("dim", call.Type("self").rank());
  call.Return(Mean(call, call.In("self", call.Out().dtype), axes, Keeps(call)));
}

Translation Reduce(const char* op) {
  return [op](Call& call) {
    const Ints axes = call.Axes("dim", call.Type("self").rank());
    call.Return(call.Node(op, {call.In("self", call.Out().dtype)},
                          {{"axes", axes}, {"keepdims", Keeps(call)}}));
  };
}

/// max and min: of everything, of two tensors, or along a dimension with the places.
void Extreme(Call& call, const char* name, const char* reduce, const char* arg) {
  if (call.IsTensor("other")) {
    return call.Return(call.Node(name, {call.In("self"), call.In("other")}));
  }
  const std::string self = call.In("self");
  if (!call.Has("dim")) {
    return call.Return(call.Node(reduce, {self}, {{"keepdims", std::int64_t{0}}}));
  }
  const std::int64_t axis = call.Axis("dim", call.Type("self").rank());
  call.Return(0, call.Node(reduce, {self}, {{"axes", Ints{axis}}, {"keepdims", Keeps(call)}}));
  if (call.results() < 2) return;
  call.Return(1, call.Node(arg, {self}, {{"axis", axis}, {"keepdims", Keeps(call)}}));
}

Translation ArgExtreme(const char* op) {
  return [op](Call& call) {
    std::string self = call.In("self");
    std::int64_t axis = 0;
    if (call.Has("dim")) {
      axis = call.Axis("dim", call.Type("self").rank());
    } else {
      self = call.Node("Reshape", {self, call.graph().Int64s({-1})});
    }
    call.Return(call.Node(op, {self}, {{"axis", axis}, {"keepdims", Keeps(call)}}));
  };
}

Translation Softmax(const char* op) {
  return [op](Call& call) {
    const std::int64_t axis = call.Axis("dim", call.Type("self").rank());
    call.Return(call.Node(op, {call.In("self", call.Out().dtype)}, {{"axis", axis}}));
  };
}

/// Mean square distance from the mean, over count - correction; the mean follows where LibTorch
/// answers both.
void Variance(Call& call, bool root) {
  const TensorType& type = call.Type("self");
  const Ints axes = call.Axes("dim", type.rank());
  double count = 1;
  for (const std::int64_t axis : axes) {
    if (!type.shape[axis].fixed()) return call.Fail("runs over the batch");
    count *= static_cast<double>(type.shape[axis].offset);
  }
  const double correction =
      call.Has("unbiased") ? (call.Flag("unbiased") ? 1 : 0) : call.RealOr("correction", 1);
  const std::string self = call.In("self");
  const std::string mean = Mean(call, self, axes, 1);
  const std::string apart = call.Node("Sub", {self, mean});
  std::string value = Mean(call, call.Node("Mul", {apart, apart}), axes, Keeps(call));
  if (correction != 0) {
    const double factor = count / (count - correction);
    value = call.Node("Mul", {value, call.graph().Scalar(factor, type.dtype)});
  }
  call.Return(0, root ? call.Node("Sqrt", {value}) : value);
  if (call.results() == 2) call.Return(1, Keeps(call) == 1 ? mean : call.Squeeze(mean, axes));
}

// OpenVINO 2026.4 reads ReduceL1 and ReduceLogSumExp of operator set 17 as if they had no axes, so
// the next two are spelled out.

/// (sum |x|^p)^(1/p); the largest or smallest |x| for an infinite p.
void Norm(Call& call, const char* order) {
  const Ints axes = call.Axes("dim", call.Type("self").rank());
  const std::string self = call.In("self", call.Out().dtype);
  const double p = call.RealOr(order, 2);
  if (p == 2) {
    const std::string sum = Sum(call, call.Node("Mul", {self, self}), axes, Keeps(call));
    return call.Return(call.Node("Sqrt", {sum}));
  }
  const std::string size = call.Node("Abs", {self});
  if (p == 1) return call.Return(Sum(call, size, axes, Keeps(call)));
  if (std::isinf(p)) {
    return call.Return(call.Node(p > 0 ? "ReduceMax" : "ReduceMin", {size},
                                 {{"axes", axes}, {"keepdims", Keeps(call)}}));
  }
  call.FailUnless(p != 0, "norm 0 counts elements; use count_nonzero");
  const std::string sum = Sum(call, call.Node("Pow", {size, call.Scalar(p)}), axes, Keeps(call));
  call.Return(call.Node("Pow", {sum, call.Scalar(1 / p)}));
}

/// max + log(sum(exp(x - max))).
void LogSumExp(Call& call) {
  const TensorType& type = call.Type("self");
  const Ints axes = call.Axes("dim", type.rank());
  const std::string self = call.In("self", call.Out().dtype);
  const std::string top =
      call.Node("ReduceMax", {self}, {{"axes", axes}, {"keepdims", std::int64_t{1}}});
  const std::string powers = call.Node("Exp", {call.Node("Sub", {self, top})});
  const std::string log = call.Node("Log", {Sum(call, powers, axes, 1)});
  const std::string value = call.Node("Add", {log, top});
  call.Return(call.Flag("keepdim") ? value
                                   : call.Node("Squeeze", {value, call.graph().Int64s(axes)}));
}

void CumulativeSum(Call& call) {
  const std::int64_t axis = call.Axis("dim", call.Type("self").rank());
  call.Return(call.Node("CumSum", {call.In("self", call.Out().dtype), call.graph().Int64(axis)}));
}

/// Products or extremes of all elements up to each: log2(n) rounds, in which each element is
/// combined with the one 1, 2, 4, ... before it.
void Running(Call& call, const char* op) {
  const TensorType& type = call.Type("self");
  const std::int64_t axis = call.Axis("dim", type.rank());
  if (!call.status().ok() || axis >= type.rank()) return call.Fail("runs over a number");
  const Polynomial size = type.shape[axis];
  call.FailUnless(size.fixed(), "runs over the batch");
  std::string value = call.In("self", call.Out().dtype);
  for (std::int64_t apart = 1; apart < size.offset && call.status().ok(); apart *= 2) {
    const std::string begin = call.Slice(value, axis, 0, apart);
    const std::string rest = call.Slice(value, axis, apart, size);
    const std::string before = call.Slice(value, axis, 0, size.offset - apart);
    value = call.Concat({begin, call.Node(op, {rest, before})}, axis);
  }
  call.Return(value);
}

/// Whether any, or all, of the elements are not zero.
Translation Truth(const char* reduce) {
  return [reduce](Call& call) {
    const Ints axes = call.Axes("dim", call.Type("self").rank());
    const std::string self = call.Cast(call.In("self", at::kBool), at::kBool, at::kInt);
    const std::string value =
        call.Node(reduce, {self}, {{"axes", axes}, {"keepdims", Keeps(call)}});
    call.Return(call.Cast(value, at::kInt, call.Out().dtype));
  };
}

void CountNonzero(Call& call) {
  const Ints axes = call.Axes("dim", call.Type("self").rank());
  const std::string counted = call.Cast(call.In("self", at::kBool), at::kBool, at::kLong);
  call.Return(Sum(call, counted, axes, 0));
}

void NanSum(Call& call) {
  const Ints axes = call.Axes("dim", call.Type("self").rank());
  const std::string self = call.In("self", call.Out().dtype);
  const std::string kept = call.Node("Where", {call.Node("IsNaN", {self}), call.Scalar(0), self});
  call.Return(Sum(call, kept, axes, Keeps(call)));
}

void LeastAndMost(Call& call) {
  const std::string self = call.In("self");
  const Ints axes = call.Axes("dim", call.Type("self").rank());
  const Attributes attributes = {{"axes", axes}, {"keepdims", Keeps(call)}};
  call.Return(0, call.Node("ReduceMin", {self}, attributes));
  call.Return(1, call.Node("ReduceMax", {self}, attributes));
}

}  // namespace

Translations ReductionOps() {
  return {
      {"amax", Reduce("ReduceMax")},
      {"amin", Reduce("ReduceMin")},
      {"aminmax", LeastAndMost},
      {"all", Truth("ReduceMin")},
      {"any", Truth("ReduceMax")},
      {"argmax", ArgExtreme("ArgMax")},
      {"argmin", ArgExtreme("ArgMin")},
      {"count_nonzero", CountNonzero},
      {"cummax", [](Call& call) { Running(call, "Max"); }},
      {"cummin", [](Call& call) { Running(call, "Min"); }},
      {"cumprod", [](Call& call) { Running(call, "Mul"); }},
      {"cumsum", CumulativeSum},
      {"linalg_vector_norm", [](Call& call) { Norm(call, "ord"); }},
      {"log_softmax", Softmax("LogSoftmax")},
      {"logsumexp", LogSumExp},
      {"max", [](Call& call) { Extreme(call, "Max", "ReduceMax", "ArgMax"); }},
      {"mean", MeanOf},
      {"min", [](Call& call) { Extreme(call, "Min", "ReduceMin", "ArgMin"); }},
      {"nansum", NanSum},
      {"norm", [](Call& call) { Norm(call, "p"); }},
      {"prod", Reduce("ReduceProd")},
      {"softmax", Softmax("Softmax")},
      {"std", [](Call& call) { Variance(call, true); }},
      {"std_mean", [](Call& call) { Variance(call, true); }},
      {"sum", SumOf},
      {"var", [](Call& call) { Variance(call, false); }},
      {"var_mean", [](Call& call) { Variance(call, false); }},
  };
}

}  // namespace muster::exporting
