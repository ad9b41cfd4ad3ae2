#include "trainer/shm/reduce.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>

/// LibTorch's conversions and arithmetic are the reference.

namespace muster::trainer::shm {
namespace {

at::Tensor Reduced(Element element, Operation operation, const std::vector<at::Tensor>& in) {
  std::vector<const void*> addresses;
  for (const at::Tensor& tensor : in) addresses.push_back(tensor.data_ptr());
  at::Tensor out = at::empty_like(in[0]);
  Reduce(element, operation, out.data_ptr(), addresses.data(), static_cast<int>(in.size()),
         static_cast<std::size_t>(out.numel()));
  return out;
}

bool SameBits(const at::Tensor& a, const at::Tensor& b) {
  return at::equal(a.view(at::kShort), b.view(at::kShort));
}

/// All 65,536 bit patterns of a two-byte type.
at::Tensor AllPatterns(at::ScalarType type) {
  return at::arange(-32768, 32768, at::kShort).view(type);
}

class TwoByteFloats : public testing::TestWithParam<std::pair<Element, at::ScalarType>> {};
INSTANTIATE_TEST_SUITE_P(Types, TwoByteFloats,
                         testing::Values(std::pair{Element::kHalf, at::kHalf},
                                         std::pair{Element::kBFloat16, at::kBFloat16}));

TEST_P(TwoByteFloats, EveryPattern_ReducedInFloatAndRoundedOnce) {
  const auto [element, type] = GetParam();
  const at::Tensor all = AllPatterns(type);
  for (const std::int64_t shift : {1, 257, 20011}) {
    for (const std::size_t ranks : {2, 3}) {
      std::vector<at::Tensor> in;
      for (std::size_t rank = 0; rank < ranks; ++rank) {
        in.push_back(all.roll(shift * static_cast<std::int64_t>(rank)).contiguous());
      }
      at::Tensor sum = in[0].to(at::kFloat);
      at::Tensor product = sum;
      for (std::size_t rank = 1; rank < ranks; ++rank) {
        sum = sum + in[rank].to(at::kFloat);
        product = product * in[rank].to(at::kFloat);
      }
      const auto agree = [&](Operation operation, const at::Tensor& wanted) {
        const at::Tensor seen = Reduced(element, operation, in);
        const at::Tensor number = wanted.isnan().logical_not();
        EXPECT_TRUE(at::equal(seen.isnan(), wanted.isnan()));
        EXPECT_TRUE(SameBits(seen.masked_select(number), wanted.to(type).masked_select(number)))
            << NameOf(operation) << " " << ranks;
      };
      agree(Operation::kSum, sum);
      agree(Operation::kAverage, sum * (1.0F / static_cast<float>(ranks)));
      agree(Operation::kProduct, product);
    }
  }
}

TEST(Reduce, MinAndMax_KeepNan) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor a = at::tensor({1.0F, nan, 2.0F, -1.0F});
  const at::Tensor b = at::tensor({nan, 1.0F, 3.0F, -2.0F});
  for (const bool three : {false, true}) {
    std::vector<at::Tensor> in{a, b};
    if (three) in.push_back(a);
    const auto min = Reduced(Element::kFloat, Operation::kMin, in);
    const auto max = Reduced(Element::kFloat, Operation::kMax, in);
    EXPECT_TRUE(at::allclose(min, at::minimum(a, b), 0, 0, /*equal_nan=*/true));
    EXPECT_TRUE(at::allclose(max, at::maximum(a, b), 0, 0, /*equal_nan=*/true));
  }
}

TEST(Reduce, Integers_WrapAround) {
  const at::Tensor large = at::full({70}, 40000, at::kInt).to(at::kShort);
  EXPECT_TRUE(
      at::equal(Reduced(Element::kInt16, Operation::kProduct, {large, large}), large * large));
  const at::Tensor most = at::full({70}, std::numeric_limits<std::int64_t>::max(), at::kLong);
  EXPECT_TRUE(
      at::equal(Reduced(Element::kInt64, Operation::kSum, {most, most, most}), most + most + most));
}

TEST(Reduce, AsManyRanksAsThereMayBe) {
  const std::vector<at::Tensor> in(kRanksMax, at::full({3}, 3, at::kByte));
  EXPECT_TRUE(at::equal(Reduced(Element::kUInt8, Operation::kMax, in), in[0]));
  EXPECT_TRUE(at::equal(Reduced(Element::kUInt8, Operation::kSum, in), at::zeros({3}, at::kByte)));
}

TEST(Reduce, OutIsOneOfTheInputs) {
  for (std::size_t which = 0; which < 3; ++which) {
    std::vector<at::Tensor> in;
    for (int rank = 0; rank < 3; ++rank) in.push_back(at::randn({5000}));
    const at::Tensor wanted = (in[0] + in[1]) + in[2];
    std::array<const void*, 3> addresses{in[0].data_ptr(), in[1].data_ptr(), in[2].data_ptr()};
    Reduce(Element::kFloat, Operation::kSum, in[which].data_ptr(), addresses.data(), 3, 5000);
    EXPECT_TRUE(at::equal(in[which], wanted));
  }
}

}  // namespace
}  // namespace muster::trainer::shm
