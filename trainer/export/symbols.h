#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "trainer/export/polynomial.h"

/// Step 1 of export.h: which dimensions of the examples vary, in which sizes they are tried, and what
/// follows from the numbers that were seen. Private to trainer/export.

namespace muster::exporting {

struct ExportOptions;

/// A size that is open in the exported model: `multiple` times what polynomials count.
struct Symbol {
  struct Axis {
    std::size_t input = 0;
    std::int64_t dimension = 0;
    friend auto operator<=>(const Axis&, const Axis&) = default;
  };
  std::string name;
  std::int64_t multiple = 1;
  std::vector<Axis> axes;  ///< all of this size; not empty
  /// Pairwise different and none is 1, which would broadcast: two show a line, the third that it is
  /// one.
  std::array<std::int64_t, 3> units = {2, 3, 5};
};

using Symbols = std::vector<Symbol>;

/// The batch first, where it is open, then the other symbols of the options by name. kInvalid: an
/// axis that is not there, or has another size than its twins or one that cannot be varied.
Result<Symbols> DeclareSymbols(const std::vector<at::Tensor>& examples,
                               const std::vector<std::string>& input_names,
                               const ExportOptions& options);

/// How many traces these symbols take: all pairs of their first two sizes, and one more to check.
std::size_t TraceCount(const Symbols& symbols);

/// The examples in the sizes of one trace: fewer rows by leaving out, more by repeating.
std::vector<at::Tensor> Resized(const std::vector<at::Tensor>& examples, const Symbols& symbols,
                                std::size_t trace);

/// The polynomial that has these values, one a trace; nullopt where none has.
std::optional<Polynomial> Fit(std::vector<std::int64_t> values, const Symbols& symbols);

/// "5", "batch", "4*batch+1", "batch*length", "length/2".
std::string Text(const Polynomial& number, const Symbols& symbols);

}  // namespace muster::exporting
