#include "registry/batch/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "registry/tensor_values.h"
#include "runtime/base/csv.h"
#include "runtime/base/random.h"

namespace muster::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Specs = std::vector<TensorSpec>;

const Specs kImage = {{"images", ElementType::kF32, {-1, 1, 2, 2}}};
const Specs kTwo = {{"x", ElementType::kF32, {-1, 2}}, {"id", ElementType::kI64, {-1}}};
const Specs kOpen = {{"tokens", ElementType::kI64, {-1, -1}}};

TEST(LayoutOf, OneInput_TakesAllOtherColumnsInOrder) {
  const auto layout = LayoutOf({"name", "d", "c", "labels", "b", "a"}, true, kImage,
                               {.inputs = {}, .keep = {"name"}});
  ASSERT_TRUE(layout.ok()) << layout.error().message;
  EXPECT_THAT(layout->inputs[0].cells, ElementsAre(1, 2, 4, 5));
  EXPECT_THAT(layout->inputs[0].row_shape, ElementsAre(1, 2, 2));
  EXPECT_EQ(layout->labels, 3U);
  EXPECT_THAT(layout->keep, ElementsAre(0));
}

TEST(LayoutOf, NamedColumns_AreTakenByName) {
  const auto layout = LayoutOf({"id", "x[1]", "more", "x[0]"}, true, kTwo, {});
  ASSERT_TRUE(layout.ok()) << layout.error().message;
  EXPECT_THAT(layout->inputs[0].cells, ElementsAre(3, 1));
  EXPECT_THAT(layout->inputs[1].cells, ElementsAre(0));
  EXPECT_FALSE(layout->labels);
}

TEST(LayoutOf, OptionNamesTheColumns) {
  const auto layout =
      LayoutOf({"a", "b", "c", "d", "e"}, true, kImage, {.inputs = {"e", "b", "a", "c"}});
  ASSERT_TRUE(layout.ok()) << layout.error().message;
  EXPECT_THAT(layout->inputs[0].cells, ElementsAre(4, 1, 0, 2));
}

TEST(LayoutOf, OpenDimension_BecomesWhatTheColumnsFill) {
  for (const auto& columns : {std::vector<std::string>{"tokens[0]", "tokens[1]", "tokens[2]", "n"},
                              std::vector<std::string>{"a", "b", "c"}}) {
    const auto layout = LayoutOf(columns, true, kOpen, {});
    ASSERT_TRUE(layout.ok()) << layout.error().message;
    EXPECT_THAT(layout->inputs[0].row_shape, ElementsAre(3));
  }
}

TEST(LayoutOf, NoHeader_OneColumnMoreIsTheLabel) {
  const auto layout = LayoutOf({"0", "1", "2", "3", "4"}, false, kImage, {});
  ASSERT_TRUE(layout.ok()) << layout.error().message;
  EXPECT_EQ(layout->labels, 4U);
  EXPECT_THAT(layout->inputs[0].cells, ElementsAre(0, 1, 2, 3));
}

TEST(LayoutOf, Wrong_NamesWhatIsMissing) {
  struct Row {
    std::vector<std::string> columns;
    Specs specs;
    TableOptions options;
    std::string_view want;
  };
  for (const Row& row : std::vector<Row>{
           {{"a", "b"}, kImage, {}, "input 'images' is [-1,1,2,2], which 2 columns do not fill"},
           {{"x[0]", "x[1]"}, kTwo, {}, "there is no column 'id'"},
           {{"x[0]", "id"}, kTwo, {}, "there is no column 'x[1]', which input 'x' has"},
           {{"a", "b"}, kTwo, {}, "the model has the inputs x, id; name their columns"},
           {{"a", "b", "a"}, kImage, {}, "column 'a' is there twice"},
           {{"x[0]", "x[1]", "id"}, kTwo, {.inputs = {"id"}}, "columns are named for one input"},
           {{"a", "b", "c", "d"},
            kImage,
            {.inputs = {}, .keep = {"e"}},
            "there is no column 'e'"}}) {
    const auto layout = LayoutOf(row.columns, true, row.specs, row.options);
    ASSERT_FALSE(layout.ok()) << row.want;
    EXPECT_EQ(layout.error().kind, ErrorKind::kInvalid);
    EXPECT_THAT(layout.error().message, HasSubstr(row.want));
  }
}

TEST(IsHeader, NoNumberAmongTheCells) {
  EXPECT_TRUE(IsHeader({"a", "b", ""}));
  EXPECT_FALSE(IsHeader({"a", "1"}));
  EXPECT_FALSE(IsHeader({"0", "1"}));
}

TEST(DecodeCsv, Rows_BecomeTensors) {
  const auto layout = LayoutOf({"note", "x[1]", "x[0]", "id", "labels"}, true, kTwo,
                               {.inputs = {}, .keep = {"note"}});
  ASSERT_TRUE(layout.ok()) << layout.error().message;
  const auto batch = DecodeCsv(*layout, "a,1,2,7,0\r\n\n\"b, \"\"\n\",nan,-4,8,1", 10, 100);
  EXPECT_TRUE(batch.bad.empty());
  EXPECT_THAT(batch.numbers, ElementsAre(10, 11));
  EXPECT_THAT(batch.labels, ElementsAre(0, 1));
  EXPECT_THAT(batch.keep, ElementsAre("a", "b, \"\n"));
  EXPECT_THAT(batch.inputs[0].shape, ElementsAre(2, 2));
  EXPECT_THAT(ValuesAs<float>(batch.inputs[0]), ElementsAre(2, 1, -4, testing::IsNan()));
  EXPECT_THAT(ValuesAs<double>(batch.inputs[1]), ElementsAre(7, 8));
}

TEST(DecodeCsv, WrongRecords_AreLeftOutWholeAndTold) {
  const auto layout = LayoutOf({"x[0]", "x[1]", "id", "labels"}, true, kTwo, {});
  ASSERT_TRUE(layout.ok()) << layout.error().message;
  const auto batch = DecodeCsv(*layout,
                               "1,2,3,0\n"
                               "1,2,3\n"
                               "1,two,3,0\r\n"
                               "1,2,3.5,0\n"
                               "1,2,3,cat\n"
                               "1,\"a\nb\",3,0\n"
                               "1,a\"b,3,0\n"
                               "5,6,7,1\n"
                               "1,\"2",
                               0, 2);
  EXPECT_THAT(batch.numbers, ElementsAre(0, 7));
  EXPECT_THAT(ValuesAs<float>(batch.inputs[0]), ElementsAre(1, 2, 5, 6));
  EXPECT_THAT(ValuesAs<double>(batch.inputs[1]), ElementsAre(3, 7));
  EXPECT_THAT(batch.labels, ElementsAre(0, 1));
  std::vector<std::string> told;
  for (const auto& bad : batch.bad) told.push_back(std::to_string(bad.line) + ": " + bad.why);
  EXPECT_THAT(told, ElementsAre("3: has 3 columns; wanted 4",
                                "4: column 2 (x[1]) is 'two'; wanted a number for FP32",
                                "5: column 3 (id) is '3.5'; wanted a number for INT64",
                                "6: column 4 (labels) is 'cat'; wanted a number for INT64",
                                "7: column 2 (x[1]) is 'a\nb'; wanted a number for FP32",
                                HasSubstr("9: a quote inside 'a\"'"),
                                "11: a quote that opens here is never closed"));
  EXPECT_EQ(batch.bad[1].record, "1,two,3,0");
}

/// Whatever the bytes: every record is a row or a bad one, and reading in two pieces, cut where a record ends, is
/// reading in one.
TEST(DecodeCsv, AnyBytes_EachRecordOnce_HoweverCut) {
  const auto layout = LayoutOf({"x[0]", "x[1]", "id"}, true, kTwo, {});
  ASSERT_TRUE(layout.ok());
  constexpr std::string_view kBytes = "\"\"\",,,,,\n\n\n\r1234.-naX ";
  Random random(11);
  std::size_t rows = 0, bad = 0;
  for (int round = 0; round < 3'000; ++round) {
    std::string text;
    for (int part = 0; part < 6; ++part) {
      if (random() % 2 == 0) text += "1,2.5,7\n";
      for (auto more = random() % 12; more > 0; --more) text += kBytes[random() % kBytes.size()];
    }
    const RowBatch whole = DecodeCsv(*layout, text, 0, 1);
    ASSERT_EQ(whole.inputs[0].bytes.size(), whole.rows() * 8);
    ASSERT_EQ(whole.inputs[1].bytes.size(), whole.rows() * 8);
    const std::size_t cut = std::min(CsvRecordEnd(text, 0), text.size());
    const RowBatch first = DecodeCsv(*layout, std::string_view(text).substr(0, cut), 0, 1);
    const auto lines =
        static_cast<std::uint64_t>(std::count(text.begin(), text.begin() + cut, '\n'));
    const RowBatch second = DecodeCsv(*layout, std::string_view(text).substr(cut),
                                      first.rows() + first.bad.size(), 1 + lines);
    ASSERT_EQ(first.rows() + second.rows(), whole.rows()) << text;
    ASSERT_EQ(first.bad.size() + second.bad.size(), whole.bad.size()) << text;
    if (second.rows() > 0) {
      ASSERT_EQ(second.numbers.back(), whole.numbers.back()) << text;
    }
    if (!second.bad.empty()) {
      ASSERT_EQ(second.bad.back().line, whole.bad.back().line) << text;
    }
    rows += whole.rows();
    bad += whole.bad.size();
  }
  EXPECT_GT(rows, 1'000U);
  EXPECT_GT(bad, 1'000U);
}

}  // namespace
}  // namespace muster::registry
