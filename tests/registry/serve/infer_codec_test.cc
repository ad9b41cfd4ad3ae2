#include "registry/serve/infer_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/registry/serve/tensors.h"

namespace muster::registry::serve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<TensorSpec> kSpecs{{"x", ElementType::kF32, {-1, 2}}};

Result<InferRequest> Decode(std::string_view body, std::string_view length = {}) {
  return DecodeInfer(body, length, kSpecs);
}
std::string DecodeError(std::string_view body, std::string_view length = {}) {
  const auto decoded = Decode(body, length);
  EXPECT_FALSE(decoded.ok()) << body;
  if (decoded.ok()) return "";
  EXPECT_EQ(decoded.error().kind, ErrorKind::kInvalid);
  return decoded.error().message;
}
std::string WithData(std::string_view datatype, std::string_view data) {
  return R"({"inputs":[{"name":"x","shape":[1],"datatype":")" + std::string(datatype) +
         R"(","data":)" + std::string(data) + "}]}";
}
template <typename T>
std::vector<T> Decoded(std::string_view datatype, std::string_view data) {
  const auto request = Decode(WithData(datatype, data));
  EXPECT_TRUE(request.ok()) << request.error().message;
  return request.ok() ? Values<T>(request->inputs[0]) : std::vector<T>();
}

TEST(DecodeInfer, FlatAndNested_SameTensor) {
  for (const auto* data : {"[1,2.5,3,4]", "[[1,2.5],[3,4]]", "[[[1]],[[2.5]],3,[4]]"}) {
    const auto request =
        Decode(R"({"id":"7","inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":)" +
               std::string(data) + "}]}");
    ASSERT_TRUE(request.ok()) << request.error().message;
    EXPECT_EQ(request->id, "7");
    EXPECT_THAT(request->inputs[0].shape, ElementsAre(2, 2));
    EXPECT_THAT(Values<float>(request->inputs[0]), ElementsAre(1, 2.5, 3, 4));
    EXPECT_FALSE(request->binary_output);
  }
}

TEST(DecodeInfer, EveryType_KeepsItsValues) {
  EXPECT_THAT(Decoded<double>("FP64", "[1e300,-2]"), ElementsAre(1e300, -2));
  EXPECT_THAT(Decoded<std::int8_t>("INT8", "[-128,127]"), ElementsAre(-128, 127));
  EXPECT_THAT(Decoded<std::uint8_t>("UINT8", "[0,255]"), ElementsAre(0, 255));
  EXPECT_THAT(Decoded<std::int16_t>("INT16", "[-32768]"), ElementsAre(-32768));
  EXPECT_THAT(Decoded<std::uint16_t>("UINT16", "[65535]"), ElementsAre(65535));
  EXPECT_THAT(Decoded<std::int32_t>("INT32", "[-2147483648]"), ElementsAre(-2147483648LL));
  EXPECT_THAT(Decoded<std::uint32_t>("UINT32", "[4294967295]"), ElementsAre(4294967295U));
  EXPECT_THAT(Decoded<std::int64_t>("INT64", "[-9223372036854775808]"),
              ElementsAre(std::numeric_limits<std::int64_t>::min()));
  EXPECT_THAT(Decoded<std::uint64_t>("UINT64", "[18446744073709551615]"),
              ElementsAre(std::numeric_limits<std::uint64_t>::max()));
  EXPECT_THAT(Decoded<std::uint8_t>("BOOL", "[true,false,1,0]"), ElementsAre(1, 0, 1, 0));
  const auto odd = Decoded<float>("FP32", R"(["NaN","Infinity","-Infinity"])");
  EXPECT_TRUE(std::isnan(odd.at(0)));
  EXPECT_EQ(odd.at(1), std::numeric_limits<float>::infinity());
  EXPECT_EQ(odd.at(2), -std::numeric_limits<float>::infinity());
}

TEST(DecodeInfer, ValuesThatDoNotFit_Refused) {
  for (const auto& [datatype, data] :
       std::vector<std::pair<std::string, std::string>>{{"UINT8", "[256]"},
                                                        {"UINT8", "[-1]"},
                                                        {"INT8", "[1.5]"},
                                                        {"INT64", "[9223372036854775808]"},
                                                        {"FP32", "[1e300]"},
                                                        {"FP32", "[null]"},
                                                        {"FP32", R"(["1"])"},
                                                        {"FP32", "[{}]"},
                                                        {"BOOL", "[2]"},
                                                        {"FP32", "7"}}) {
    EXPECT_THAT(DecodeError(WithData(datatype, data)), HasSubstr("'x'")) << datatype << data;
  }
  EXPECT_THAT(DecodeError(WithData("FP16", "[1]")), HasSubstr("binary data format"));
  EXPECT_THAT(DecodeError(WithData("BYTES", "[1]")), HasSubstr("'BYTES'"));
}

TEST(DecodeInfer, WrongRequests_SayWhatIsWrong) {
  EXPECT_THAT(DecodeError(""), HasSubstr("not JSON"));
  EXPECT_THAT(DecodeError("{\"inputs\":["), HasSubstr("not JSON"));
  EXPECT_THAT(DecodeError("[]"), HasSubstr("JSON object"));
  EXPECT_THAT(DecodeError("{}"), HasSubstr("'inputs'"));
  EXPECT_THAT(DecodeError(R"({"inputs":[3]})"), HasSubstr("'inputs'"));
  EXPECT_THAT(DecodeError(R"({"inputs":[{"shape":[1]}]})"), HasSubstr("'name'"));
  EXPECT_THAT(DecodeError(R"({"inputs":[{"name":"x","datatype":"FP32","shape":[-1],"data":[]}]})"),
              HasSubstr("'shape'"));
  EXPECT_THAT(DecodeError(R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1]}]})"),
              HasSubstr("'binary_data_size'"));
  EXPECT_THAT(DecodeError(R"({"id":3,"inputs":[]})"), HasSubstr("'id'"));
  EXPECT_THAT(
      DecodeError(R"({"inputs":[],"outputs":[{"name":"y","parameters":{"binary_data":1}}]})"),
      HasSubstr("'binary_data'"));
  EXPECT_THAT(
      DecodeError(R"({"inputs":[],"outputs":[{"name":"y","parameters":{"classification":0}}]})"),
      HasSubstr("'classification'"));
}

TEST(DecodeInfer, Binary_TensorsFollowTheJson) {
  const std::string json =
      R"({"inputs":[{"name":"a","shape":[2],"datatype":"FP32","parameters":{"binary_data_size":8}},)"
      R"({"name":"b","shape":[1],"datatype":"INT64","data":[9]},)"
      R"({"name":"c","shape":[3],"datatype":"UINT8","parameters":{"binary_data_size":3}}],)"
      R"("parameters":{"binary_data_output":true},"outputs":[{"name":"y"},)"
      R"({"name":"z","parameters":{"binary_data":false}}]})";
  const std::string body = json + Raw<float>({1.5F, -2}) + Raw<std::uint8_t>({7, 8, 9});
  const auto request = Decode(body, std::to_string(json.size()));
  ASSERT_TRUE(request.ok()) << request.error().message;
  EXPECT_THAT(Values<float>(request->inputs[0]), ElementsAre(1.5, -2));
  EXPECT_THAT(Values<std::int64_t>(request->inputs[1]), ElementsAre(9));
  EXPECT_THAT(Values<std::uint8_t>(request->inputs[2]), ElementsAre(7, 8, 9));
  ASSERT_EQ(request->outputs.size(), 2U);
  EXPECT_TRUE(request->outputs[0].binary);
  EXPECT_FALSE(request->outputs[1].binary);
}

TEST(DecodeInfer, Binary_WrongLengths_Refused) {
  const std::string json =
      R"({"inputs":[{"name":"a","shape":[2],"datatype":"FP32","parameters":{"binary_data_size":8}}]})";
  const std::string length = std::to_string(json.size());
  EXPECT_THAT(DecodeError(json + "1234567", length), HasSubstr("7 bytes are left"));
  EXPECT_THAT(DecodeError(json + "123456789", length), HasSubstr("1 bytes follow"));
  EXPECT_THAT(DecodeError(json, "99999"), HasSubstr("Inference-Header-Content-Length"));
  for (const auto* wrong : {"x", "-1", "1x", "99999999999999999999999"}) {
    EXPECT_THAT(DecodeError(json, wrong), HasSubstr("Inference-Header-Content-Length")) << wrong;
  }
}

TEST(DecodeInfer, RawBody_IsOneRowOfTheOnlyInput) {
  const auto request = Decode(Raw<float>({1, 2}), "0");
  ASSERT_TRUE(request.ok()) << request.error().message;
  EXPECT_THAT(request->inputs[0].shape, ElementsAre(1, 2));
  EXPECT_TRUE(request->binary_output);
  const auto two = DecodeInfer("", "0", {kSpecs[0], kSpecs[0]});
  EXPECT_THAT(two.error().message, HasSubstr("one input"));
}

TEST(EncodeInfer, KeysStandInTritonsOrder) {
  // Recorded from Triton 2.51 for the same request and model.
  const auto response = EncodeInfer({.id = "7"}, "fraud", "1",
                                    {MakeTensor<float>("y", ElementType::kF32, {2, 1}, {5, 11})});
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->body, R"({"id":"7","model_name":"fraud","model_version":"1","outputs":[)"
                            R"({"name":"y","datatype":"FP32","shape":[2,1],"data":[5.0,11.0]}]})");
  EXPECT_EQ(response->headers.at("Content-Type"), "application/json");
}

TEST(EncodeInfer, Numbers_ReadBackExactly) {
  const float third = 1.0F / 3;
  const auto response = EncodeInfer(
      {}, "m", "1",
      {MakeTensor<float>("f", ElementType::kF32, {4},
                         {third, std::nanf(""), -std::numeric_limits<float>::infinity(), 1e20F}),
       MakeTensor<std::uint8_t>("b", ElementType::kBool, {2}, {1, 0}),
       MakeTensor<std::int8_t>("i", ElementType::kI8, {1}, {-5})});
  ASSERT_TRUE(response.ok());
  EXPECT_THAT(response->body, HasSubstr(R"([0.33333334,"NaN","-Infinity",1e+20])"));
  EXPECT_THAT(response->body, HasSubstr("[true,false]"));
  EXPECT_THAT(response->body, HasSubstr("[-5]"));
}

TEST(EncodeInfer, WantedOutputs_InTheirOrderAndForm) {
  InferRequest request;
  request.outputs = {{"b", true}, {"a", false}};
  const std::vector<Tensor> outputs{MakeTensor<float>("a", ElementType::kF32, {1}, {1}),
                                    MakeTensor<std::int64_t>("b", ElementType::kI64, {1}, {258})};
  const auto response = EncodeInfer(request, "m", "1", outputs);
  ASSERT_TRUE(response.ok());
  const auto length = std::stoul(response->headers.at(std::string(kJsonLengthHeader)));
  EXPECT_EQ(response->body.substr(0, length),
            R"({"model_name":"m","model_version":"1","outputs":[{"name":"b","datatype":"INT64",)"
            R"("shape":[1],"parameters":{"binary_data_size":8}},)"
            R"({"name":"a","datatype":"FP32","shape":[1],"data":[1.0]}]})");
  EXPECT_EQ(response->body.substr(length), Raw<std::int64_t>({258}));
  EXPECT_EQ(response->headers.at("Content-Type"), "application/octet-stream");
  request.outputs = {{"z", false}};
  EXPECT_THAT(EncodeInfer(request, "m", "1", outputs).error().message,
              HasSubstr("unexpected inference output 'z' for model 'm'"));
  request.outputs.assign(1000, {"a", false});
  EXPECT_THAT(EncodeInfer(request, "m", "1", outputs).error().message, HasSubstr("1000"));
}

TEST(EncodeInfer, HalfFloats_OnlyBinary) {
  const std::vector<Tensor> half{MakeTensor<std::uint16_t>("h", ElementType::kF16, {1}, {0x3c00})};
  EXPECT_THAT(EncodeInfer({}, "m", "1", half).error().message, HasSubstr("binary"));
  EXPECT_TRUE(EncodeInfer({.binary_output = true}, "m", "1", half).ok());
}

TEST(EncodeInfer, Classification_LargestFirstAsStrings) {
  const std::vector<Tensor> outputs{
      MakeTensor<float>("y", ElementType::kF32, {2, 3}, {1, 3, 3, std::nanf(""), -1, 0.5F}),
      MakeTensor<std::int64_t>("n", ElementType::kI64, {2}, {7, 9})};
  const auto answer = EncodeInfer(
      {.outputs = {{.name = "y", .classes = 2}, {.name = "n", .classes = 5}}}, "m", "1", outputs);
  EXPECT_EQ(
      answer.value().body,
      R"({"model_name":"m","model_version":"1","outputs":[{"name":"y","datatype":"BYTES","shape":[2,2],)"
      R"("data":["3.000000:1","3.000000:2","0.500000:2","-1.000000:1"]},)"
      R"({"name":"n","datatype":"BYTES","shape":[2],"data":["9:1","7:0"]}]})");
  const auto binary =
      EncodeInfer({.outputs = {{.name = "n", .binary = true, .classes = 1}}}, "m", "1", outputs);
  EXPECT_THAT(binary.value().body,
              HasSubstr(R"("shape":[1],"parameters":{"binary_data_size":7}}]})"));
  EXPECT_TRUE(binary.value().body.ends_with(std::string("\3\0\0\0", 4) + "9:1"));
}

}  // namespace
}  // namespace muster::registry::serve
