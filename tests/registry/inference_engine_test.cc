#include "registry/inference_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::registry {
namespace {

using ::testing::HasSubstr;

TEST(ElementType, NamesRoundTrip) {
  for (const auto* name : {"FP32", "FP64", "FP16", "BF16", "INT8", "INT16", "INT32", "INT64",
                           "UINT8", "UINT16", "UINT32", "UINT64", "BOOL"}) {
    const auto type = ElementTypeFromName(name);
    ASSERT_TRUE(type.ok());
    EXPECT_EQ(ElementTypeName(*type), name);
  }
  EXPECT_THAT(ElementTypeFromName("BYTES").error().message, HasSubstr("'BYTES'"));
}

TEST(ElementCount, RefusesWhatCannotBe) {
  EXPECT_EQ(*ElementCount({}), 1);
  EXPECT_EQ(*ElementCount({2, 0, 3}), 0);
  EXPECT_FALSE(ElementCount({-1}).ok());
  EXPECT_FALSE(ElementCount({1LL << 40, 1LL << 40}).ok());
}

}  // namespace
}  // namespace muster::registry
