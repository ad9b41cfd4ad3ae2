#include "registry/serve/invocations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/registry/serve/tensors.h"

namespace muster::registry::serve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<TensorSpec> kRows{{"x", ElementType::kF32, {-1, 2}}};
const std::vector<TensorSpec> kImages{{"x", ElementType::kF32, {-1, 1, 2, 2}}};
const std::vector<TensorSpec> kTwo{{"a", ElementType::kF32, {-1}},
                                   {"b", ElementType::kI64, {-1, 1}}};

std::string ErrorOf(std::string_view body, const std::vector<TensorSpec>& specs) {
  const auto decoded = DecodeInvocation(body, specs);
  EXPECT_FALSE(decoded.ok()) << body;
  return decoded.ok() ? "" : decoded.error().message;
}

TEST(DecodeInvocation, EveryForm_SameRows) {
  for (const auto* body :
       {R"({"inputs":[[1,2],[3,4]]})", R"({"inputs":{"x":[[1,2],[3,4]]}})",
        R"({"instances":[[1,2],[3,4]]})", R"({"instances":[{"x":[1,2]},{"x":[3,4]}]})",
        R"({"dataframe_split":{"columns":["p","q"],"index":[0,1],"data":[[1,2],[3,4]]}})",
        R"({"dataframe_split":{"columns":["x"],"data":[[[1,2]],[[3,4]]]}})",
        R"({"dataframe_records":[{"p":1,"q":2},{"q":4,"p":3}]})",
        R"({"dataframe_records":[{"x":[1,2]},{"x":[3,4]}],"params":{}})"}) {
    const auto decoded = DecodeInvocation(body, kRows);
    ASSERT_TRUE(decoded.ok()) << body << ": " << decoded.error().message;
    EXPECT_THAT(decoded->inputs[0].shape, ElementsAre(2, 2)) << body;
    EXPECT_THAT(Values<float>(decoded->inputs[0]), ElementsAre(1, 2, 3, 4)) << body;
    EXPECT_EQ(decoded->form == PredictionForm::kRecords,
              std::string_view(body).starts_with("{\"dataframe"))
        << body;
  }
}

TEST(DecodeInvocation, RowsOfPixels_BecomeImages) {
  for (const auto* body : {R"({"inputs":[[1,2,3,4]]})", R"({"inputs":[[[[1,2],[3,4]]]]})",
                           R"({"dataframe_split":{"data":[[1,2,3,4]]}})"}) {
    const auto decoded = DecodeInvocation(body, kImages);
    ASSERT_TRUE(decoded.ok()) << body << ": " << decoded.error().message;
    EXPECT_THAT(decoded->inputs[0].shape, ElementsAre(1, 1, 2, 2)) << body;
  }
  // The wrong number stays as it is, for the model to refuse with both shapes.
  EXPECT_THAT(DecodeInvocation(R"({"inputs":[[1,2,3]]})", kImages)->inputs[0].shape,
              ElementsAre(1, 3));
}

TEST(DecodeInvocation, SeveralInputs_AreColumns) {
  for (const auto* body : {R"({"inputs":{"a":[1,2],"b":[[3],[4]]}})",
                           R"({"dataframe_split":{"columns":["b","a"],"data":[[3,1],[4,2]]}})",
                           R"({"dataframe_records":[{"a":1,"b":3},{"a":2,"b":4}]})"}) {
    const auto decoded = DecodeInvocation(body, kTwo);
    ASSERT_TRUE(decoded.ok()) << body << ": " << decoded.error().message;
    EXPECT_THAT(Values<float>(decoded->inputs[0]), ElementsAre(1, 2));
    EXPECT_THAT(Values<std::int64_t>(decoded->inputs[1]), ElementsAre(3, 4));
    EXPECT_THAT(decoded->inputs[1].shape, ElementsAre(2, 1));
  }
}

TEST(DecodeInvocation, NullInATable_IsNaN) {
  const auto decoded = DecodeInvocation(R"({"dataframe_split":{"data":[[null,2]]}})", kRows);
  ASSERT_TRUE(decoded.ok());
  EXPECT_TRUE(std::isnan(Values<float>(decoded->inputs[0])[0]));
}

TEST(DecodeInvocation, WrongForms_SayWhich) {
  EXPECT_THAT(ErrorOf("{", kRows), HasSubstr("not JSON"));
  EXPECT_THAT(ErrorOf("[[1,2]]", kRows), HasSubstr("dataframe_split"));
  EXPECT_THAT(ErrorOf(R"({"inputs":[],"instances":[]})", kRows), HasSubstr("both"));
  EXPECT_THAT(ErrorOf(R"({"inputs":[[1,2],[3]]})", kRows), HasSubstr("ragged"));
  EXPECT_THAT(ErrorOf(R"({"inputs":[[1,2],3]})", kRows), HasSubstr("ragged"));
  EXPECT_THAT(ErrorOf(R"({"inputs":[1,[2]]})", kRows), HasSubstr("ragged"));
  EXPECT_THAT(ErrorOf(R"({"inputs":{"z":[1]}})", kRows), HasSubstr("no input 'z'; it has x"));
  EXPECT_THAT(ErrorOf(R"({"inputs":{"a":[1]}})", kTwo), HasSubstr("'b' is missing"));
  EXPECT_THAT(ErrorOf(R"({"inputs":[[1]]})", kTwo), HasSubstr("by name"));
  EXPECT_THAT(ErrorOf(R"({"dataframe_records":[{"a":1,"b":1},{"a":1,"c":1}]})", kTwo),
              HasSubstr("'c'"));
  EXPECT_THAT(ErrorOf(R"({"dataframe_records":[3]})", kRows), HasSubstr("list of objects"));
  EXPECT_THAT(ErrorOf(R"({"dataframe_split":{"columns":["a","b"],"data":[[1]]}})", kTwo),
              HasSubstr("rows of 2"));
  EXPECT_THAT(ErrorOf(R"({"dataframe_split":3})", kRows), HasSubstr("dataframe_split"));
}

TEST(EncodePredictions, NestedByOutput_AsMlflowAnswers) {
  // Recorded from `mlflow models serve` for {"inputs": {"x": [[1, 2]]}}.
  EXPECT_EQ(*EncodePredictions({}, {MakeTensor<float>("y", ElementType::kF32, {1, 1}, {5})}),
            R"({"predictions":{"y":[[5.0]]}})");
}

TEST(EncodePredictions, Table_OneRecordARow) {
  const std::vector<Tensor> outputs{
      MakeTensor<float>("y", ElementType::kF32, {2, 1}, {5, 6}),
      MakeTensor<std::int64_t>("p", ElementType::kI64, {2, 2}, {1, 2, 3, 4})};
  EXPECT_EQ(*EncodePredictions({.form = PredictionForm::kRecords}, outputs),
            R"({"predictions":[{"y":5.0,"p":[1,2]},{"y":6.0,"p":[3,4]}]})");
  const std::vector<Tensor> scalar{MakeTensor<float>("y", ElementType::kF32, {}, {5})};
  EXPECT_FALSE(EncodePredictions({.form = PredictionForm::kRecords}, scalar).ok());
  EXPECT_EQ(*EncodePredictions({}, scalar), R"({"predictions":{"y":5.0}})");
}

TEST(EncodePredictions, Rows_OneOutputStandsAloneSeveralAreObjects) {
  const auto y = MakeTensor<float>("y", ElementType::kF32, {2, 1}, {5, 6});
  const auto p = MakeTensor<std::int64_t>("p", ElementType::kI64, {2}, {1, 2});
  EXPECT_EQ(*EncodePredictions({.form = PredictionForm::kRows}, {y}),
            R"({"predictions":[[5.0],[6.0]]})");
  EXPECT_EQ(*EncodePredictions({.form = PredictionForm::kRows, .bare = true}, {y, p}),
            R"([{"y":[5.0],"p":1},{"y":[6.0],"p":2}])");
}

TEST(DecodeInvocation, AzuresInputData_TableTensorOrNames) {
  for (const auto* body :
       {R"({"input_data":{"columns":["p","q"],"index":[0],"data":[[1,2],[3,4]]}})",
        R"({"input_data":[[1,2],[3,4]],"params":{}})",
        R"({"input_data":{"x":[[1,2],[3,4]]},"params":null})"}) {
    const auto decoded = DecodeInvocation(body, kRows);
    ASSERT_TRUE(decoded.ok()) << body << ": " << decoded.error().message;
    EXPECT_THAT(Values<float>(decoded->inputs[0]), ElementsAre(1, 2, 3, 4)) << body;
    EXPECT_TRUE(decoded->bare);
  }
  EXPECT_THAT(ErrorOf(R"({"inputs":[[1,2]],"params":3})", kRows),
              HasSubstr("'params' must be an object"));
}

TEST(DecodeCsv, RowsAsPandasReadsThem) {
  const auto decoded = DecodeCsv("p,q\r\n1,2.5\r\n,\"-3e2\"\r\n", true, kRows);
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  EXPECT_EQ(decoded->form, PredictionForm::kRecords);
  EXPECT_THAT(decoded->inputs[0].shape, ElementsAre(2, 2));
  EXPECT_THAT(Values<float>(decoded->inputs[0]), ElementsAre(1, 2.5, ::testing::IsNan(), -300));
  EXPECT_THAT(Values<float>(DecodeCsv("1,2\n3,4", false, kRows)->inputs[0]),
              ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Values<std::int64_t>(DecodeCsv("b,a\n7,1", true, kTwo)->inputs[1]), ElementsAre(7));
  const std::vector<TensorSpec> truth{{"t", ElementType::kBool, {-1, 2}}};
  EXPECT_THAT(DecodeCsv("a,b\nTrue,false", true, truth)->inputs[0].bytes,
              ElementsAre(std::byte{1}, std::byte{0}));
}

TEST(DecodeCsv, WrongTables_SayTheLine) {
  const auto error = [](std::string_view text, const std::vector<TensorSpec>& specs) {
    return DecodeCsv(text, true, specs).error().message;
  };
  EXPECT_THAT(error("", kRows), HasSubstr("no row"));
  EXPECT_THAT(error("p,q\n", kRows), HasSubstr("no row"));
  EXPECT_THAT(error("p,q\n1,x", kRows), HasSubstr("CSV, line 2: 'x' is no number"));
  EXPECT_THAT(error("p,q\n1", kRows), HasSubstr("CSV, line: 2: wanted 2 cells"));
  EXPECT_THAT(error("a,c\n1,2", kTwo), HasSubstr("no input 'c'"));
}

}  // namespace
}  // namespace muster::registry::serve
