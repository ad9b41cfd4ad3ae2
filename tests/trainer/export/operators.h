#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

/// Small functions of x and y, both [rows, 4, 6], which together use every translation.

namespace muster::testing {

struct OperatorCase {
  const char* name;
  std::function<at::Tensor(const at::Tensor& x, const at::Tensor& y)> function;
};

/// [rows, 3, 8, 12] from x.
at::Tensor Image(const at::Tensor& x);
/// x in whole numbers, about -15 to 15.
at::Tensor Whole(const at::Tensor& x);

/// Several results as one: their rows flattened, side by side, as floats.
at::Tensor Flat(const std::vector<at::Tensor>& parts);

std::vector<OperatorCase> ArithmeticCases();  ///< of operators_arithmetic.cc
std::vector<OperatorCase> SequenceCases();    ///< of operators_sequence.cc
std::vector<OperatorCase> ImageCases();       ///< of operators_image.cc
std::vector<OperatorCase> PlaceCases();       ///< of operators_place.cc

}  // namespace muster::testing
