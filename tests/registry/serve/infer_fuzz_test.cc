#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "registry/serve/infer_codec.h"
#include "registry/serve/invocations.h"
#include "tests/registry/serve/tensors.h"

namespace muster::registry::serve {
namespace {

/// Bodies that are almost right: a good one with a few bytes changed, cut, doubled or swapped for JSON's
/// own punctuation.
class Mutator {
 public:
  explicit Mutator(std::uint32_t seed) : random_(seed) {}

  std::string Mutate(std::string body) {
    for (std::uint32_t i = 1 + Pick(4); i > 0 && !body.empty(); --i) {
      const std::size_t at = Pick(static_cast<std::uint32_t>(body.size()));
      constexpr std::string_view kTokens = "{}[]\",:-0919.eE\\ntfN\x00\xff ";
      switch (Pick(6)) {
        case 0:
          body[at] = static_cast<char>(random_());
          break;
        case 1:
          body[at] = kTokens[Pick(kTokens.size())];
          break;
        case 2:
          body.insert(at, 1, kTokens[Pick(kTokens.size())]);
          break;
        case 3:
          body.erase(at, 1 + Pick(8));
          break;
        case 4:
          body.insert(at, body.substr(Pick(static_cast<std::uint32_t>(body.size())), Pick(40)));
          break;
        default:
          body.resize(at);
      }
    }
    return body;
  }
  std::uint32_t Pick(std::size_t below) {
    return static_cast<std::uint32_t>(random_() % std::max<std::size_t>(below, 1));
  }

 private:
  std::mt19937 random_;
};

const std::vector<TensorSpec> kSpecs{{"x", ElementType::kF32, {-1, 2}}};
const std::vector<TensorSpec> kTwo{{"a", ElementType::kF32, {-1}},
                                   {"b", ElementType::kI64, {-1, 1}}};
constexpr int kRounds = 20'000;

TEST(InferFuzz, MutatedBodies_DecodeOrAreInvalid) {
  const std::string json =
      R"({"id":"7","parameters":{"binary_data_output":true},"inputs":[{"name":"x","shape":[2,2],)"
      R"("datatype":"FP32","data":[[1,2.5],[-3e2,4]]},{"name":"b","shape":[1],"datatype":"INT64",)"
      R"("parameters":{"binary_data_size":8}}],"outputs":[{"name":"y","parameters":{"binary_data":true}}]})";
  const std::string good = json + Raw<std::int64_t>({42});
  Mutator mutator(2026);
  int accepted = 0;
  for (int round = 0; round < kRounds; ++round) {
    const std::string body = mutator.Mutate(good);
    const std::string length = mutator.Pick(8) == 0 ? mutator.Mutate(std::to_string(json.size()))
                                                    : std::to_string(json.size());
    const auto decoded = DecodeInfer(body, length, kSpecs);
    if (!decoded.ok()) {
      ASSERT_EQ(decoded.error().kind, ErrorKind::kInvalid) << body;
      ASSERT_FALSE(decoded.error().message.empty());
      continue;
    }
    ++accepted;
    const Status fits = CheckInputs(kTwo, decoded->inputs);
    ASSERT_TRUE(fits.ok() || fits.error().kind == ErrorKind::kInvalid);
    // Whatever was accepted can be given back.
    const auto encoded = EncodeInfer({.binary_output = true}, "m", "1", decoded->inputs);
    ASSERT_TRUE(encoded.ok());
  }
  EXPECT_GT(accepted, 0);  // otherwise the mutations never reach past the parser
  EXPECT_LT(accepted, kRounds);
}

TEST(InferFuzz, MutatedInvocations_DecodeOrAreInvalid) {
  const std::vector<std::string> good{
      R"({"inputs":{"a":[1,2],"b":[[3],[4]]}})", R"({"instances":[{"a":1,"b":3},{"a":2,"b":4}]})",
      R"({"dataframe_split":{"columns":["b","a"],"data":[[3,1],[4,2]]}})",
      R"({"dataframe_records":[{"a":1,"b":3},{"a":2,"b":4}]})"};
  Mutator mutator(7);
  int accepted = 0;
  for (int round = 0; round < kRounds; ++round) {
    const std::string body = mutator.Mutate(good[static_cast<std::size_t>(round) % good.size()]);
    for (const auto* specs : {&kTwo, &kSpecs}) {
      const auto decoded = DecodeInvocation(body, *specs);
      if (!decoded.ok()) {
        ASSERT_EQ(decoded.error().kind, ErrorKind::kInvalid) << body;
        continue;
      }
      ++accepted;
      const Status fits = CheckInputs(*specs, decoded->inputs);
      if (fits.ok()) {
        ASSERT_TRUE(EncodePredictions(*decoded, decoded->inputs).ok()) << body;
      }
    }
  }
  EXPECT_GT(accepted, 0);
}

}  // namespace
}  // namespace muster::registry::serve
