#pragma once

#include <string>
#include <string_view>

#include "registry/inference_engine.h"

/// Elements of tensors as text and back.

namespace muster::registry {

/// The element of `type` that `text` says goes to `out`, ElementSize(type) bytes. Blanks around it and a leading plus
/// are skipped. Floats: decimal, "nan" or "inf" in any case, rounded to the nearest. Integers: decimal, also with a
/// point where what follows it is zero. Bools: 0, 1, true, false. kInvalid quotes the text.
Status ParseElement(std::string_view text, ElementType type, std::byte* out);

/// Appends element `index`: the fewest digits that bring a float back exactly; "NaN", "Infinity" or "-Infinity",
/// in quotes with `json`; a bool as 0 or 1, with `json` as false or true.
void AppendElement(std::string& out, const Tensor& tensor, std::size_t index, bool json);

/// The same elements in another type. kInvalid for an integer that does not fit, and where floats would become
/// integers.
Result<Tensor> ConvertTensor(Tensor tensor, ElementType type);

}  // namespace muster::registry
