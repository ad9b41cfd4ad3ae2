#include "trainer/row_source.h"

namespace muster::trainer {

std::string_view ElementTypeName(ElementType type) {
  switch (type) {
    case ElementType::kU8:
      return "u8";
    case ElementType::kI32:
      return "i32";
    case ElementType::kI64:
      return "i64";
    case ElementType::kF32:
      return "f32";
    case ElementType::kF64:
      return "f64";
  }
  return "?";
}

std::size_t ElementSize(ElementType type) {
  switch (type) {
    case ElementType::kU8:
      return 1;
    case ElementType::kI32:
    case ElementType::kF32:
      return 4;
    case ElementType::kI64:
    case ElementType::kF64:
      return 8;
  }
  return 0;
}

std::size_t Field::row_elements() const {
  std::size_t count = 1;
  for (const std::int64_t extent : row_shape) count *= static_cast<std::size_t>(extent);
  return count;
}

std::string Field::Text() const {
  std::string text = name + " " + std::string(ElementTypeName(type)) + " (";
  for (std::size_t i = 0; i < row_shape.size(); ++i) {
    text += (i == 0 ? "" : ",") + std::to_string(row_shape[i]);
  }
  return text + ")";
}

Result<std::size_t> FindField(const RowSource& source, std::string_view name) {
  std::string known;
  for (std::size_t i = 0; i < source.fields().size(); ++i) {
    const Field& field = source.fields()[i];
    if (field.name == name) return i;
    known += (known.empty() ? "" : ", ") + field.Text();
  }
  return NotFound(source.name() + " has no dataset '" + std::string(name) + "'; it has " +
                  (known.empty() ? "none" : known));
}

}  // namespace muster::trainer
