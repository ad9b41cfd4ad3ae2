#include "trainer/column_check.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>

namespace muster::trainer {
namespace {

/// One column of numbers in memory; notes which rows were read.
template <typename T>
class Numbers final : public RowSource {
 public:
  Numbers(Field field, std::vector<T> values)
      : fields_{std::move(field)}, values_(std::move(values)) {}
  [[nodiscard]] std::uint64_t rows() const override {
    return values_.size() / fields_[0].row_elements();
  }
  [[nodiscard]] const std::vector<Field>& fields() const override { return fields_; }
  [[nodiscard]] std::string name() const override { return "train.h5"; }
  Status Read(std::size_t, std::span<const std::uint64_t> rows, std::byte* out) const override {
    const std::size_t width = fields_[0].row_bytes();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      std::memcpy(out + i * width, values_.data() + rows[i] * fields_[0].row_elements(), width);
      read.insert(rows[i]);
    }
    return Ok();
  }
  mutable std::set<std::uint64_t> read;

 private:
  std::vector<Field> fields_;
  std::vector<T> values_;
};

std::string Refusal(const RowSource& source, const ColumnSpec& spec,
                    std::uint64_t bytes_max = kCheckedBytes) {
  const auto checked = CheckColumns(source, {&spec, 1}, bytes_max);
  return checked.ok() ? "accepted" : checked.error().message;
}

TEST(ColumnCheck, ClassOutOfRange_NamesRowValueAndRange) {
  std::vector<std::int64_t> labels(1000);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int64_t>(i % 10);
  const Field field{"labels", ElementType::kI64, {}};
  const ColumnSpec classes{.name = "labels", .types = {ElementType::kI64}, .low = 0, .high = 9};
  const Numbers<std::int64_t> good(field, labels);
  const auto checked = CheckColumns(good, {&classes, 1});
  ASSERT_TRUE(checked.ok()) << checked.error().message;
  EXPECT_EQ(checked->at(0).rows_checked, 1000U);
  labels[777] = 10;
  EXPECT_EQ(Refusal(Numbers<std::int64_t>(field, labels), classes),
            "train.h5: dataset 'labels': row 777 holds 10; wanted 0 to 9");
  labels[777] = 0;
  labels[999] = -1;
  EXPECT_EQ(Refusal(Numbers<std::int64_t>(field, labels), classes),
            "train.h5: dataset 'labels': row 999 holds -1; wanted 0 to 9");
  const ColumnSpec from_zero{.name = "labels", .low = 0};
  EXPECT_EQ(Refusal(Numbers<std::int64_t>(field, labels), from_zero),
            "train.h5: dataset 'labels': row 999 holds -1; wanted at least 0");
}

TEST(ColumnCheck, NotFinite_NamesTheRow) {
  const Field field{"x", ElementType::kF32, {4}};
  const ColumnSpec any{.name = "x", .row_shape = {-1}};
  std::vector<float> values(400, 0.5F);
  EXPECT_EQ(Refusal(Numbers<float>(field, values), any), "accepted");
  values[41] = std::nanf("");
  EXPECT_EQ(Refusal(Numbers<float>(field, values), any),
            "train.h5: dataset 'x': row 10 holds nan; wanted a finite number");
  values[41] = -INFINITY;
  EXPECT_EQ(Refusal(Numbers<float>(field, values), any),
            "train.h5: dataset 'x': row 10 holds -inf; wanted a finite number");
}

TEST(ColumnCheck, ShapeAndType_NamedSeenAndWanted) {
  const Numbers<float> source({"images", ElementType::kF32, {1, 8, 8}}, std::vector<float>(128));
  EXPECT_EQ(Refusal(source, {.name = "images", .row_shape = {3, 8, 8}}),
            "train.h5: dataset 'images' has rows of shape (1,8,8); wanted (3,8,8)");
  EXPECT_EQ(Refusal(source, {.name = "images", .row_shape = {-1, -1}}),
            "train.h5: dataset 'images' has rows of shape (1,8,8); wanted (any,any)");
  EXPECT_EQ(Refusal(source, {.name = "images", .row_shape = {-1, 8, -1}}), "accepted");
  EXPECT_EQ(Refusal(source, {.name = "images",
                             .row_shape = {1, 8, 8},
                             .types = {ElementType::kU8, ElementType::kI64}}),
            "train.h5: dataset 'images' is of type f32; wanted u8 or i64");
  EXPECT_EQ(Refusal(source, {.name = "labels"}),
            "train.h5 has no dataset 'labels'; it has images f32 (1,8,8)");
}

TEST(ColumnCheck, LargeColumn_IsSampledFromEndToEnd_TheSameEachTime) {
  constexpr std::uint64_t kRows = 1'000'000;
  const Numbers<std::int32_t> source({"ids", ElementType::kI32, {}},
                                     std::vector<std::int32_t>(kRows));
  const ColumnSpec spec{.name = "ids", .low = 0, .high = 5};
  const auto checked = CheckColumns(source, {&spec, 1}, 400'000);
  ASSERT_TRUE(checked.ok());
  EXPECT_EQ(checked->at(0).rows_checked, source.read.size());
  EXPECT_LE(source.read.size() * 4, 400'000U);
  EXPECT_GE(source.read.size() * 4, 200'000U);
  EXPECT_TRUE(source.read.contains(0));
  EXPECT_TRUE(source.read.contains(kRows - 1));
  const auto first = source.read;
  source.read.clear();
  ASSERT_TRUE(CheckColumns(source, {&spec, 1}, 400'000).ok());
  EXPECT_EQ(source.read, first);
}

TEST(ColumnCheck, IntegersOfAnyValue_AreNotRead) {
  const Numbers<std::uint8_t> source({"images", ElementType::kU8, {}},
                                     std::vector<std::uint8_t>(10));
  const ColumnSpec spec{.name = "images"};
  ASSERT_TRUE(CheckColumns(source, {&spec, 1}).ok());
  EXPECT_TRUE(source.read.empty());
}

}  // namespace
}  // namespace muster::trainer
