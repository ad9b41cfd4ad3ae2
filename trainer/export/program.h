#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "trainer/export/polynomial.h"

/// What the traces agree on, free of the tracer's own types: the exporter's middle. Private to
/// trainer/export.

namespace muster::exporting {

struct TensorType {
  at::ScalarType dtype = at::kFloat;
  std::vector<Polynomial> shape;
  [[nodiscard]] std::int64_t rank() const { return static_cast<std::int64_t>(shape.size()); }
};

/// A tensor known now: a parameter or buffer as it is, or something computed from such.
struct Known {
  at::Tensor tensor;
  std::string state;        ///< the parameter's name when it is one, else empty
  bool transposed = false;  ///< `tensor` is the transpose of the matrix `state`
  std::string origin;       ///< a parameter it was computed from, for messages and names
};

struct Computed {};  ///< a tensor that the model computes, or is given
struct None {};      ///< an absent optional, or something without meaning here (a device, a layout)
using List = std::vector<std::size_t>;  ///< ids of values

struct Value {
  std::variant<None, Computed, Known, Polynomial, double, bool, std::string, List> held;
  TensorType type;  ///< of Computed and Known

  [[nodiscard]] bool is_tensor() const {
    return std::holds_alternative<Computed>(held) || std::holds_alternative<Known>(held);
  }
};

/// One traced operator whose result depends on the inputs or on the batch.
struct Operation {
  std::string op;                      ///< "relu", also for relu_
  std::string traced;                  ///< "aten::relu_"
  std::vector<std::string> arguments;  ///< the schema's names, one for each of `inputs`
  std::vector<std::size_t> inputs;     ///< ids of values
  std::vector<std::size_t> outputs;
  std::string module;  ///< "layer1.0.conv2": the owner of a parameter it reads; else empty
};

struct Program {
  std::vector<Value> values;
  std::vector<Operation> operations;  ///< in the order of the trace
  std::vector<std::size_t> inputs;
  std::vector<std::size_t> outputs;
};

}  // namespace muster::exporting
