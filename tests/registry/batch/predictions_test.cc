#include "registry/batch/predictions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace muster::registry {
namespace {

using testing::HasSubstr;

Tensor Floats(std::string name, std::vector<std::int64_t> shape, const std::vector<float>& values) {
  Tensor tensor{std::move(name), ElementType::kF32, std::move(shape), {}};
  tensor.bytes.resize(values.size() * sizeof(float));
  std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}

RowBatch Rows(std::vector<std::uint64_t> numbers) {
  RowBatch rows;
  rows.numbers = std::move(numbers);
  return rows;
}

PredictionForm Form(Decision decision, bool json_lines = false) {
  return {.json_lines = json_lines, .decision = decision, .keep = {}, .outputs = {"*"}};
}

TEST(WritePredictions, Logits_ClassAndSoftmax) {
  PredictionForm form = Form(Decision::kLogits);
  form.keep = {"id"};
  form.labels = true;
  RowBatch rows = Rows({4, 6});
  rows.keep = {"a,b", ""};
  rows.labels = {1, 0};
  // softmax of (0, ln 3) is (1/4, 3/4); a tie goes to the lower class.
  const auto written = WritePredictions(form, rows, {Floats("y", {2, 2}, {0, 1.0986123F, 2, 2})});
  ASSERT_TRUE(written.ok()) << written.error().message;
  EXPECT_EQ(written->header, "row,id,class,label,probability,y[0],y[1]\n");
  EXPECT_EQ(written->text,
            "4,\"a,b\",1,1,0.75,0,1.0986123\n"
            "6,,0,0,0.5,2,2\n");
  EXPECT_EQ(written->correct, 2U);
}

TEST(WritePredictions, OneLogit_IsOfClassOne) {
  const auto written = WritePredictions(Form(Decision::kLogits), Rows({0, 1, 2}),
                                        {Floats("y", {3, 1}, {1.0986123F, -1.0986123F, 0})});
  ASSERT_TRUE(written.ok());
  EXPECT_EQ(written->text, "0,1,0.75,1.0986123\n1,0,0.75,-1.0986123\n2,0,0.5,0\n");
}

TEST(WritePredictions, Unknown_ClassOfTwoAndMoreFiguresOnly) {
  const auto two =
      WritePredictions(Form(Decision::kUnknown), Rows({0}), {Floats("y", {1, 2}, {1, 3})});
  ASSERT_TRUE(two.ok());
  EXPECT_EQ(two->header + two->text, "row,class,y[0],y[1]\n0,1,1,3\n");
  for (const Tensor& output : {Floats("y", {1, 1}, {3}), Floats("y", {1}, {3})}) {
    const auto one = WritePredictions(Form(Decision::kUnknown), Rows({0}), {output});
    ASSERT_TRUE(one.ok());
    EXPECT_EQ(one->header + one->text, "row,y\n0,3\n");
  }
  const auto none =
      WritePredictions(Form(Decision::kNone), Rows({0}), {Floats("y", {1, 2}, {1, 3})});
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(none->header + none->text, "row,y[0],y[1]\n0,1,3\n");
  EXPECT_FALSE(none->classes);
}

TEST(WritePredictions, JsonLines_NestAsTheShape) {
  PredictionForm form = Form(Decision::kNone, true);
  form.keep = {"na\"me"};
  RowBatch rows = Rows({0, 1});
  rows.keep = {"x", "\xC3\xA9"};
  const auto written =
      WritePredictions(form, rows,
                       {Floats("y", {2, 1, 2}, {1, std::numeric_limits<float>::infinity(), 3, 4}),
                        Floats("z", {2}, {5, 6})});
  ASSERT_TRUE(written.ok());
  EXPECT_EQ(written->header, "");
  EXPECT_EQ(written->text,
            "{\"row\":0,\"na\\\"me\":\"x\",\"y\":[[1,\"Infinity\"]],\"z\":5}\n"
            "{\"row\":1,\"na\\\"me\":\"\xC3\xA9\",\"y\":[[3,4]],\"z\":6}\n");
}

TEST(WritePredictions, OutputsByName) {
  PredictionForm form = Form(Decision::kNone);
  form.outputs = {"z"};
  const std::vector<Tensor> outputs = {Floats("y", {1}, {1}), Floats("z", {1}, {2})};
  const auto written = WritePredictions(form, Rows({0}), outputs);
  ASSERT_TRUE(written.ok());
  EXPECT_EQ(written->header + written->text, "row,z\n0,2\n");
  form.outputs = {"w"};
  EXPECT_FALSE(WritePredictions(form, Rows({0}), outputs).ok());
}

TEST(WritePredictions, NotARowEach_IsRefused) {
  for (const Tensor& output :
       {Floats("y", {}, {1}), Floats("y", {3}, {1, 2, 3}), Floats("y", {2}, {1})}) {
    const auto written = WritePredictions(Form(Decision::kNone), Rows({0, 1}), {output});
    ASSERT_FALSE(written.ok());
    EXPECT_THAT(written.error().message, HasSubstr("for 2 rows; wanted figures for each"));
  }
}

TEST(WritePredictions, KeptColumnNamedAsAnother_IsRefused) {
  PredictionForm form = Form(Decision::kLogits);
  form.keep = {"class"};
  RowBatch rows = Rows({0});
  rows.keep = {"a"};
  const auto written = WritePredictions(form, rows, {Floats("y", {1, 2}, {1, 2})});
  ASSERT_FALSE(written.ok());
  EXPECT_THAT(written.error().message,
              HasSubstr("two columns of the output would be named 'class'"));
}

}  // namespace
}  // namespace muster::registry
