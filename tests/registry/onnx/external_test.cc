#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/onnx/fields.h"
#include "registry/onnx/reader.h"
#include "registry/onnx/wire.h"
#include "registry/onnx/writer.h"

namespace muster::onnx {
namespace {

using ::testing::HasSubstr;

struct Pair {
  std::string model, weights;
};

/// Weights of 3 bytes, of 5,000 borrowed ones, and of 4,100.
Model Sized() {
  Model model{.graph = {.name = "g"}};
  const auto owner = std::make_shared<const std::string>(5000, 'b');
  model.graph.initializers = {
      {"small", DataType::kUint8, {3}, std::string("abc")},
      {"borrowed", DataType::kUint8, {5000}, TensorBytes::Borrow(*owner, owner)},
      {"owned", DataType::kUint8, {2, 2050}, std::string(4100, 'o')}};
  return model;
}

Pair WritePair(const Model& model) {
  Pair pair;
  const auto to = [](std::string& file) {
    return [&file](std::string_view bytes) {
      file += bytes;
      return Ok();
    };
  };
  const Status written = WriteWithWeightFile(
      model, to(pair.model), {.name = "w.data", .bytes_min = 1024, .sink = to(pair.weights)});
  EXPECT_TRUE(written.ok());
  return pair;
}

OpenWeights Holding(const std::string& bytes, int* opened = nullptr) {
  return [&bytes, opened](const std::string& name) -> Result<TensorBytes> {
    EXPECT_EQ(name, "w.data");
    if (opened != nullptr) ++*opened;
    return TensorBytes(bytes);
  };
}

TEST(OnnxExternalData, WriteThenRead_IsTheSameAndOnPages) {
  const Model model = Sized();
  const Pair pair = WritePair(model);
  EXPECT_LT(pair.model.size(), 400u);
  ASSERT_EQ(pair.weights.size(), 8192u + 4100u);
  EXPECT_EQ(pair.weights.substr(4999, 3), std::string("b\0\0", 3));
  EXPECT_EQ(pair.weights.substr(8191, 2), std::string("\0o", 2));
  int opened = 0;
  const Result<Model> again = Read(pair.model, Holding(pair.weights, &opened));
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(*again, model);
  EXPECT_EQ(opened, 1);
  EXPECT_EQ(*Write(*again), *Write(model)) << "in one file both are the same";
}

TEST(OnnxExternalData, Write_FailingSink_AnswersItsError) {
  const auto full = [](std::string_view) -> Status { return ResourceExhausted("disk full"); };
  EXPECT_EQ(Write(Sized(), Sink(full)).error().message, "disk full");
  EXPECT_EQ(WriteWithWeightFile(Sized(), full, {"w", 1, full}).error().message, "disk full");
}

/// A model with one weight of 8 bytes that lies where `entries` say.
std::string Placed(const std::vector<std::pair<std::string, std::string>>& entries) {
  WireWriter out;
  const std::size_t graph = out.Begin(fields::kModelGraph);
  const std::size_t tensor = out.Begin(fields::kGraphInitializer);
  out.Int(fields::kTensorDims, 8);
  out.Int(fields::kTensorType, 2);
  out.Text(fields::kTensorName, "w");
  for (const auto& [key, value] : entries) {
    const std::size_t entry = out.Begin(fields::kTensorExternal);
    out.Bytes(fields::kEntryKey, key);
    out.Bytes(fields::kEntryValue, value);
    out.End(entry);
  }
  out.Int(fields::kTensorLocation, fields::kLocationExternal);
  out.End(tensor);
  out.End(graph);
  return out.Take();
}

TEST(OnnxExternalData, Read_LengthLeftOut_IsWhatTheShapeWants) {
  const std::string file = "0123456789";
  const auto model = Read(Placed({{"location", "w.data"}, {"offset", "2"}}), Holding(file));
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(model->graph.initializers[0].bytes, std::string("23456789"));
}

TEST(OnnxExternalData, Read_HostilePlace_IsRefusedUnopened) {
  const OpenWeights none = [](const std::string& name) -> Result<TensorBytes> {
    ADD_FAILURE() << "opened " << name;
    return TensorBytes();
  };
  for (const std::string name : {"", ".", "..", "../w", "/etc/passwd", "a/b", "a\\b", "..\\w"}) {
    const auto model = Read(Placed({{"location", name}}), none);
    ASSERT_FALSE(model.ok()) << name;
    EXPECT_THAT(model.error().message, HasSubstr("wanted the name of a file beside the model"));
  }
  const std::string nul("w\0x", 3);
  EXPECT_FALSE(Read(Placed({{"location", nul}}), none).ok());
  for (const std::string number : {"-1", "0x10", "1 ", "99999999999999999999999"}) {
    const auto model = Read(Placed({{"location", "w.data"}, {"offset", number}}), none);
    EXPECT_THAT(model.error().message, HasSubstr("wanted a number")) << number;
  }
}

TEST(OnnxExternalData, Read_PlaceOutsideTheFile_IsCorrupt) {
  const std::string file = "0123456789";
  const std::vector<std::pair<std::string, std::string>> places = {
      {"3", "8"}, {"11", "0"}, {"18446744073709551615", "8"}, {"0", "9"}, {"0", "7"}, {"0", "0"}};
  for (const auto& [offset, length] : places) {
    const auto model = Read(
        Placed({{"location", "w.data"}, {"offset", offset}, {"length", length}}), Holding(file));
    ASSERT_FALSE(model.ok()) << offset << " " << length;
    EXPECT_EQ(model.error().kind, ErrorKind::kCorrupt);
    EXPECT_THAT(model.error().message,
                HasSubstr("of 'w.data'; its shape wants 8, the file has 10"));
  }
}

TEST(TensorBytes, WritingToBorrowedBytes_ChangesACopy) {
  const auto owner = std::make_shared<const std::string>("abc");
  const TensorBytes borrowed = TensorBytes::Borrow(*owner, owner);
  TensorBytes copy = borrowed;
  EXPECT_EQ(std::as_const(copy).data(), owner->data());
  copy[0] = 'x';
  EXPECT_EQ(copy, std::string("xbc"));
  EXPECT_EQ(*owner, "abc");
  EXPECT_TRUE(borrowed.borrowed());
  EXPECT_FALSE(copy.borrowed());
}

TEST(TensorBytes, MadeLater_AreMadeWhenWrittenAndNotKept) {
  int made = 0;
  Model later = Sized();
  for (Tensor& tensor : later.graph.initializers) {
    const std::string bytes(tensor.bytes.view());
    tensor.bytes = TensorBytes::Later(bytes.size(), [&made, bytes] { return ++made, bytes; });
  }
  const Pair pair = WritePair(later);
  EXPECT_EQ(made, 3);
  const Pair wanted = WritePair(Sized());
  EXPECT_EQ(pair.model, wanted.model);
  EXPECT_EQ(pair.weights, wanted.weights);
  EXPECT_TRUE(later == Sized());
  EXPECT_TRUE(later == Sized());
  EXPECT_EQ(made, 6) << "those that were read are kept";
}

}  // namespace
}  // namespace muster::onnx
