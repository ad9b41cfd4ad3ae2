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

/// Mean square distance from the mean, over count - correction.
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
  const std::string apart = call.Node("Sub", {self, Mean(call, self, axes, 1)});
  std::string value = Mean(call, call.Node("Mul", {apart, apart}), axes, Keeps(call));
  if (correction != 0) {
    const double factor = count / (count - correction);
    value = call.Node("Mul", {value, call.graph().Scalar(factor, type.dtype)});
  }
  call.Return(root ? call.Node("Sqrt", {value}) : value);
}

// OpenVINO 2026.4 reads ReduceL1 and ReduceLogSumExp of operator set 17 as if they had no axes, so
// the next two are spelled out.

void Norm(Call& call, const char* order) {
  const Ints axes = call.Axes("dim", call.Type("self").rank());
  const std::string self = call.In("self", call.Out().dtype);
  const double p = call.RealOr(order, 2);
  call.FailUnless(p == 1 || p == 2, "only norms 1 and 2 are translated");
  const std::string size =
      call.Node(p == 1 ? "Abs" : "Mul", p == 1 ? std::vector{self} : std::vector{self, self});
  const std::string sum = Sum(call, size, axes, Keeps(call));
  call.Return(p == 1 ? sum : call.Node("Sqrt", {sum}));
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

}  // namespace

Translations ReductionOps() {
  return {
      {"amax", Reduce("ReduceMax")},
      {"amin", Reduce("ReduceMin")},
      {"argmax", ArgExtreme("ArgMax")},
      {"argmin", ArgExtreme("ArgMin")},
      {"cumsum", CumulativeSum},
      {"linalg_vector_norm", [](Call& call) { Norm(call, "ord"); }},
      {"log_softmax", Softmax("LogSoftmax")},
      {"logsumexp", LogSumExp},
      {"max", [](Call& call) { Extreme(call, "Max", "ReduceMax", "ArgMax"); }},
      {"mean", MeanOf},
      {"min", [](Call& call) { Extreme(call, "Min", "ReduceMin", "ArgMin"); }},
      {"norm", [](Call& call) { Norm(call, "p"); }},
      {"prod", Reduce("ReduceProd")},
      {"softmax", Softmax("Softmax")},
      {"std", [](Call& call) { Variance(call, true); }},
      {"sum", SumOf},
      {"var", [](Call& call) { Variance(call, false); }},
  };
}

}  // namespace muster::exporting
