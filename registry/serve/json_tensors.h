#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "registry/inference_engine.h"

/// Tensors as JSON writes them: numbers in lists, nested or flat, row-major.
///
/// Floats that JSON has no number for are the strings "NaN", "Infinity" and "-Infinity", both ways. A
/// float is written with as many digits as bring it back exactly. FP16 and BF16 have no JSON form.

namespace muster::registry::serve {

enum class NullIs { kRefused, kNaN };

/// The numbers of `data` in order, however nested, as elements of `type`. kInvalid for a value that is
/// no number or does not fit the type. `shape` (may be null) becomes the nesting; kInvalid when ragged.
Result<std::vector<std::byte>> BytesFromJson(const boost::json::value& data, ElementType type,
                                             NullIs null_is, std::vector<std::int64_t>* shape);

/// Appends "[1.5,2.0]": all elements, flat.
Status AppendFlat(std::string& out, const Tensor& tensor);
/// Appends lists nested as the shape says; a scalar stands alone.
Status AppendNested(std::string& out, const Tensor& tensor);
enum class OneElement { kAlone, kInItsLists };
/// Appends row `row` of the first dimension, nested; `one` says how a row of one element in all is written.
Status AppendRow(std::string& out, const Tensor& tensor, std::int64_t row, OneElement one);
/// Appends a JSON string with its quotes.
void AppendQuoted(std::string& out, std::string_view text);

}  // namespace muster::registry::serve
