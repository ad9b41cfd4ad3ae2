#include "registry/batch/number.h"

#include <gtest/gtest.h>

#include <cstring>

namespace muster::registry {
namespace {

/// The text that the element has when it is read and written again; "error: ..." when it is refused.
std::string Again(std::string_view text, ElementType type, bool json = false) {
  Tensor one{"x", type, {1}, std::vector<std::byte>(ElementSize(type))};
  const Status parsed = ParseElement(text, type, one.bytes.data());
  if (!parsed.ok()) return "error: " + parsed.error().message;
  std::string out;
  AppendElement(out, one, 0, json);
  return out;
}

TEST(ParseElement, Numbers_ComeBackAsTheTypeHoldsThem) {
  struct Row {
    std::string_view text;
    ElementType type;
    std::string_view want;
  };
  for (const auto& [text, type, want] :
       std::vector<Row>{{"0.1", ElementType::kF32, "0.1"},
                        {"16777217", ElementType::kF32, "16777216"},
                        {"16777217", ElementType::kF64, "16777217"},
                        {" +1.5\t", ElementType::kF32, "1.5"},
                        {"nan", ElementType::kF32, "NaN"},
                        {"-INF", ElementType::kF64, "-Infinity"},
                        {"1e-50", ElementType::kF32, "0"},
                        {"1e50", ElementType::kF32, "Infinity"},
                        {"2049", ElementType::kF16, "2048"},
                        {"1.0078125", ElementType::kBf16, "1.0078125"},
                        {"9007199254740993", ElementType::kI64, "9007199254740993"},
                        {"-9223372036854775808", ElementType::kI64, "-9223372036854775808"},
                        {"18446744073709551615", ElementType::kU64, "18446744073709551615"},
                        {"3.00", ElementType::kI32, "3"},
                        {"3.", ElementType::kI8, "3"},
                        {"True", ElementType::kBool, "1"},
                        {"0", ElementType::kBool, "0"}}) {
    EXPECT_EQ(Again(text, type), want) << text << " as " << ElementTypeName(type);
  }
}

TEST(ParseElement, Wrong_SaysWhatWasSeen) {
  struct Row {
    std::string_view text;
    ElementType type;
    std::string_view want;
  };
  for (const auto& [text, type, want] : std::vector<Row>{
           {"abc", ElementType::kF32, "is 'abc'; wanted a number for FP32"},
           {"1.5x", ElementType::kF64, "is '1.5x'; wanted a number for FP64"},
           {"+-1", ElementType::kF32, "is '+-1'; wanted a number for FP32"},
           {"0x10", ElementType::kI32, "is '0x10'; wanted a number for INT32"},
           {"", ElementType::kF32, "is empty; wanted a number (NaN where one is missing)"},
           {"3.5", ElementType::kI64, "is '3.5'; wanted a number for INT64"},
           {".0", ElementType::kI64, "is '.0'; wanted a number for INT64"},
           {"256", ElementType::kU8, "is '256', which UINT8 cannot hold"},
           {"-1", ElementType::kU16, "is '-1'; wanted a number for UINT16"},
           {"2", ElementType::kBool, "is '2'; wanted a number for BOOL"}}) {
    EXPECT_EQ(Again(text, type), "error: " + std::string(want)) << text;
  }
}

TEST(AppendElement, Json_HasNoNumberForNaN) {
  EXPECT_EQ(Again("nan", ElementType::kF32, true), "\"NaN\"");
  EXPECT_EQ(Again("-inf", ElementType::kF32, true), "\"-Infinity\"");
  EXPECT_EQ(Again("1", ElementType::kBool, true), "true");
}

Tensor Integers(const std::vector<std::int64_t>& values) {
  Tensor tensor{"x", ElementType::kI64, {std::ssize(values)}, {}};
  tensor.bytes.resize(values.size() * sizeof(std::int64_t));
  std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}

std::string Texts(const Tensor& tensor) {
  std::string text;
  for (std::size_t i = 0; i < tensor.bytes.size() / ElementSize(tensor.type); ++i) {
    AppendElement(text, tensor, i, false);
    text += ' ';
  }
  return text;
}

TEST(ConvertTensor, Integers_FitOrAreRefused) {
  const auto floats = ConvertTensor(Integers({1, -2, 300}), ElementType::kF32);
  ASSERT_TRUE(floats.ok());
  EXPECT_EQ(Texts(*floats), "1 -2 300 ");
  const auto shorts = ConvertTensor(Integers({1, -2, 300}), ElementType::kI16);
  ASSERT_TRUE(shorts.ok());
  EXPECT_EQ(Texts(*shorts), "1 -2 300 ");
  EXPECT_EQ(shorts->shape, std::vector<std::int64_t>{3});
  const auto bytes = ConvertTensor(Integers({1, 300}), ElementType::kU8);
  ASSERT_FALSE(bytes.ok());
  EXPECT_EQ(bytes.error().message,
            "'x' is INT64, the model wants UINT8: an element is '300', which UINT8 cannot hold");
  EXPECT_FALSE(ConvertTensor(*floats, ElementType::kI64).ok());
}

}  // namespace
}  // namespace muster::registry
