#include "trainer/column_check.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <optional>

namespace muster::trainer {
namespace {

bool IsFloat(ElementType type) { return type == ElementType::kF32 || type == ElementType::kF64; }

std::string ShapeText(std::span<const std::int64_t> shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    text += (i == 0 ? "" : ",") + (shape[i] < 0 ? std::string("any") : std::to_string(shape[i]));
  }
  return text + ")";
}

std::string NumberText(double value) {
  char text[32];
  // Whole numbers as such; %.17g would write large ones with an exponent.
  const bool whole = value == std::floor(value) && std::abs(value) < 1e18;
  std::snprintf(text, sizeof text, whole ? "%.0f" : "%.9g", value);
  return text;
}

std::string RangeText(const ColumnSpec& spec) {
  const bool low = std::isfinite(spec.low);
  const bool high = std::isfinite(spec.high);
  if (low && high) return NumberText(spec.low) + " to " + NumberText(spec.high);
  if (low) return "at least " + NumberText(spec.low);
  if (high) return "at most " + NumberText(spec.high);
  return "a finite number";
}

Status CheckForm(const RowSource& source, const Field& field, const ColumnSpec& spec) {
  const std::string named = source.name() + ": dataset '" + field.name + "'";
  bool fits = spec.any_shape || field.row_shape.size() == spec.row_shape.size();
  for (std::size_t d = 0; fits && !spec.any_shape && d < spec.row_shape.size(); ++d) {
    fits = spec.row_shape[d] < 0 || spec.row_shape[d] == field.row_shape[d];
  }
  if (!fits) {
    return Invalid(named + " has rows of shape " + ShapeText(field.row_shape) + "; wanted " +
                   ShapeText(spec.row_shape));
  }
  if (spec.types.empty() || std::ranges::count(spec.types, field.type) > 0) return Ok();
  std::string wanted;
  for (const ElementType type : spec.types) {
    wanted += (wanted.empty() ? "" : " or ") + std::string(ElementTypeName(type));
  }
  return Invalid(named + " is of type " + std::string(ElementTypeName(field.type)) + "; wanted " +
                 wanted);
}

/// The place of the first number that is not within [low, high]; NaN is not.
template <typename T>
std::optional<std::size_t> FirstWrong(std::span<const std::byte> bytes, const ColumnSpec& spec,
                                      double& value) {
  constexpr double kMax = std::numeric_limits<double>::max();
  const double low = std::max(spec.low, -kMax);
  const double high = std::min(spec.high, kMax);
  for (std::size_t i = 0; i < bytes.size() / sizeof(T); ++i) {
    T number;
    std::memcpy(&number, bytes.data() + i * sizeof(T), sizeof(T));
    const auto wide = static_cast<double>(number);
    if (!(wide >= low && wide <= high)) {
      value = wide;
      return i;
    }
  }
  return std::nullopt;
}

std::optional<std::size_t> FirstWrong(ElementType type, std::span<const std::byte> bytes,
                                      const ColumnSpec& spec, double& value) {
  switch (type) {
    case ElementType::kU8:
      return FirstWrong<std::uint8_t>(bytes, spec, value);
    case ElementType::kI32:
      return FirstWrong<std::int32_t>(bytes, spec, value);
    case ElementType::kI64:
      return FirstWrong<std::int64_t>(bytes, spec, value);
    case ElementType::kF32:
      return FirstWrong<float>(bytes, spec, value);
    case ElementType::kF64:
      return FirstWrong<double>(bytes, spec, value);
  }
  return std::nullopt;
}

struct Block {
  std::uint64_t begin = 0;
  std::uint64_t rows = 0;
};

/// The blocks of rows to read: all, or as many as are allowed, from the first row to the last.
std::vector<Block> BlocksOf(std::uint64_t rows, std::uint64_t row_bytes, std::uint64_t bytes_max) {
  constexpr std::uint64_t kBlockBytes = 65536;
  const std::uint64_t size = std::clamp<std::uint64_t>(kBlockBytes / row_bytes, 1, rows);
  const std::uint64_t all = (rows - 1) / size + 1;
  const std::uint64_t wanted =
      rows <= bytes_max / row_bytes
          ? all
          : std::clamp<std::uint64_t>(bytes_max / (size * row_bytes),
                                      std::min<std::uint64_t>(2, all), all);
  std::vector<Block> blocks;
  for (std::uint64_t i = 0; i < wanted; ++i) {
    // Evenly: block 0 first, the last one last. In floating point only where blocks are left out.
    const std::uint64_t number =
        wanted == all
            ? i
            : static_cast<std::uint64_t>(static_cast<double>(i) / static_cast<double>(wanted - 1) *
                                         static_cast<double>(all - 1));
    blocks.push_back({number * size, std::min(size, rows - number * size)});
  }
  return blocks;
}

Result<std::uint64_t> CheckValues(const RowSource& source, std::size_t index,
                                  const ColumnSpec& spec, std::uint64_t bytes_max) {
  const Field& field = source.fields()[index];
  const bool any = std::isinf(spec.low) && std::isinf(spec.high) && !IsFloat(field.type);
  if (any || source.rows() == 0 || field.row_bytes() == 0) return std::uint64_t{0};
  std::uint64_t checked = 0;
  std::vector<std::uint64_t> rows;
  std::vector<std::byte> bytes;
  for (const Block& block : BlocksOf(source.rows(), field.row_bytes(), bytes_max)) {
    rows.resize(block.rows);
    std::iota(rows.begin(), rows.end(), block.begin);
    bytes.resize(block.rows * field.row_bytes());
    MUSTER_RETURN_IF_ERROR(source.Read(index, rows, bytes.data()));
    double value = 0;
    if (const auto wrong = FirstWrong(field.type, bytes, spec, value)) {
      const std::uint64_t row = block.begin + *wrong / field.row_elements();
      return Invalid(source.name() + ": dataset '" + field.name + "': row " + std::to_string(row) +
                     " holds " + NumberText(value) + "; wanted " + RangeText(spec));
    }
    checked += block.rows;
  }
  return checked;
}

}  // namespace

Result<std::vector<ColumnChecked>> CheckColumns(const RowSource& source,
                                                std::span<const ColumnSpec> columns,
                                                std::uint64_t bytes_max) {
  std::vector<std::size_t> indexes;
  // What costs nothing first.
  for (const ColumnSpec& spec : columns) {
    MUSTER_ASSIGN_OR_RETURN(const std::size_t index, FindField(source, spec.name));
    MUSTER_RETURN_IF_ERROR(CheckForm(source, source.fields()[index], spec));
    indexes.push_back(index);
  }
  std::vector<ColumnChecked> checked;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    MUSTER_ASSIGN_OR_RETURN(const std::uint64_t rows,
                            CheckValues(source, indexes[i], columns[i], bytes_max));
    checked.push_back({columns[i].name, rows});
  }
  return checked;
}

}  // namespace muster::trainer
