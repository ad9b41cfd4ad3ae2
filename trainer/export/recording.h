#pragma once

#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

/// What one run of a forward pass did, free of the front end that watched it. Private to
/// trainer/export.

namespace muster::exporting {

struct RecordedTensor {  ///< one that the run was given or computed
  at::ScalarType dtype = at::kFloat;
  std::vector<std::int64_t> sizes;
};
using RecordedList = std::vector<std::size_t>;  ///< ids of values
/// std::monostate is a result of another kind; an IValue is a constant: a number, a text, None, or a
/// tensor made where the front end saw nothing.
using RecordedValue = std::variant<std::monostate, RecordedTensor, RecordedList, c10::IValue>;

struct RecordedCall {
  std::string name;                             ///< "aten::add_"
  const c10::FunctionSchema* schema = nullptr;  ///< null: not an operator of LibTorch's
  std::vector<std::size_t> inputs;              ///< one an argument of the schema
  std::vector<std::size_t> outputs;             ///< the items of a result that is a list
};

struct Recording {
  std::vector<RecordedValue> values;  ///< ids are places in it; the same run gives the same ids
  std::vector<RecordedCall> calls;    ///< in the order in which they ran
  std::vector<std::size_t> inputs;    ///< the examples, then the state
  std::vector<std::size_t> outputs;

  std::size_t Add(RecordedValue value) {
    values.push_back(std::move(value));
    return values.size() - 1;
  }
};

}  // namespace muster::exporting
