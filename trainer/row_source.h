#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

/// The port to training data: rows by number. Adapter: trainer/hdf5.

namespace muster::trainer {

enum class ElementType { kU8, kI32, kI64, kF32, kF64 };

/// "u8", "i32", "i64", "f32", "f64".
std::string_view ElementTypeName(ElementType type);
std::size_t ElementSize(ElementType type);

/// One column: an array of the same shape for every row.
struct Field {
  std::string name;  ///< "images"
  ElementType type = ElementType::kF32;
  std::vector<std::int64_t> row_shape;  ///< without the rows; empty: one number a row

  [[nodiscard]] std::size_t row_elements() const;
  [[nodiscard]] std::size_t row_bytes() const { return row_elements() * ElementSize(type); }
  /// "images f32 (1,8,8)"
  [[nodiscard]] std::string Text() const;
};

class RowSource {
 public:
  virtual ~RowSource() = default;
  [[nodiscard]] virtual std::uint64_t rows() const = 0;
  [[nodiscard]] virtual const std::vector<Field>& fields() const = 0;
  /// Copies column `field` (index into fields()) of `rows`, in their order, to `out`, which has room for
  /// rows.size() * row_bytes(). Callable from many threads at once. kIo, kCorrupt.
  virtual Status Read(std::size_t field, std::span<const std::uint64_t> rows,
                      std::byte* out) const = 0;
  [[nodiscard]] virtual std::string name() const = 0;  ///< for messages: the file
};

/// The index of the field of that name; kNotFound names source, field and the fields that are there.
Result<std::size_t> FindField(const RowSource& source, std::string_view name);

}  // namespace muster::trainer
