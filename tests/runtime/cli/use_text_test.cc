#include "runtime/cli/use_text.h"

#include <gtest/gtest.h>

namespace muster::cli {
namespace {

TEST(UseText, SaysWhatIsKnown) {
  EXPECT_EQ(UseText({}), "") << "nothing has ended";
  EXPECT_EQ(UseText({.slot_seconds = 12}), "slots 12.0 s");
  EXPECT_EQ(UseText({.slot_seconds = 7'500,
                     .gpu_seconds = 90,
                     .lost_slot_seconds = 300,
                     .lost_gpu_seconds = 0.5,
                     .cpu_seconds = 6'600,
                     .gpu_busy_seconds = 45,
                     .memory_bytes = std::int64_t{1288490189},
                     .joules = 1.3e6}),
            "slots 2 h 5 min (5 min 0 s lost), GPUs 1 min 30 s (0.5 s lost), CPU 1 h 50 min, GPUs "
            "busy 45.0 s, 1.2 GiB of memory at most, 1.3 MJ");
  EXPECT_EQ(UseText({.slot_seconds = 1, .cpu_seconds = 0, .gpu_busy_seconds = 0}),
            "slots 1.0 s, CPU 0.0 s");
}

TEST(UseText, EnergyText_HasFourUnits) {
  EXPECT_EQ(EnergyText(999), "999.0 J");
  EXPECT_EQ(EnergyText(7'000'000'000'000), "7000.0 GJ");
}

}  // namespace
}  // namespace muster::cli
