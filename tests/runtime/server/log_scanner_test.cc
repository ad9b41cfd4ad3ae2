#include "runtime/server/log_scanner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "runtime/base/random.h"
#include "tests/runtime/server/small_spec.h"

namespace muster::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class LogScannerTest : public testing::Test {
 protected:
  LogScannerTest() {
    sweep_.id = SweepId("s");
    sweep_.spec = SmallSpec();
    sweep_.spec.on_log = {{"^fatal: .*$", wire::LogReaction::kFail},
                          {"ECC", wire::LogReaction::kExcludeNode}};
  }
  ~LogScannerTest() override { std::filesystem::remove(file_); }

  void Append(const std::string& text) {
    std::ofstream(file_, std::ios::binary | std::ios::app) << text;
  }
  /// "rule: line" of each match below the file's end.
  std::vector<std::string> Look(bool last = false, AttemptEpoch epoch = AttemptEpoch(1)) {
    const auto end = static_cast<std::int64_t>(std::filesystem::file_size(file_));
    std::vector<std::string> found;
    for (const auto& match : scanner_.Look(sweep_, epoch, "0.out", file_, end, last)) {
      found.push_back(std::to_string(match.rule) + ": " + match.line);
    }
    return found;
  }

  std::filesystem::path file_ =
      std::filesystem::temp_directory_path() / ("muster-scan-" + RandomHex(8));
  coordinator::Sweep sweep_;
  LogScanner scanner_;
};

TEST_F(LogScannerTest, LineAcrossChunks_IsLookedAtOnceItIsWhole) {
  Append("step 1\nfatal");
  EXPECT_THAT(Look(), IsEmpty());
  Append(": disk");
  EXPECT_THAT(Look(), IsEmpty());
  Append(" gone\r\nstep 2\n");
  EXPECT_THAT(Look(), ElementsAre("0: fatal: disk gone"));
  EXPECT_THAT(Look(), IsEmpty()) << "a repeated chunk brings nothing new";
}

TEST_F(LogScannerTest, Rule_IsToldOnceAnAttempt) {
  Append("ECC 1\nECC 2\nfatal: ECC\n");
  EXPECT_THAT(Look(), ElementsAre("1: ECC 1", "0: fatal: ECC"));
  Append("ECC 3\n");
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_THAT(Look(false, AttemptEpoch(2)), ElementsAre("1: ECC 1", "0: fatal: ECC"));
}

TEST_F(LogScannerTest, LastLineWithoutItsEnd_IsLookedAtAtTheExit) {
  Append("step 1\nfatal: no newline");
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_THAT(Look(true), ElementsAre("0: fatal: no newline"));
  EXPECT_THAT(Look(true), IsEmpty());
  Append(" but more\nECC\n");
  EXPECT_THAT(Look(), ElementsAre("1: ECC"));
}

TEST_F(LogScannerTest, LongLine_IsLookedAtInItsBeginning) {
  const std::string filler(LogScanner::kLongestLine, '.');
  Append("ECC" + filler);
  EXPECT_THAT(Look(), ElementsAre(testing::StartsWith("1: ECC..."))) << "without its end, even";
  Append(std::string(600'000, '.') + "fatal: not seen\nfatal: seen\n");
  EXPECT_THAT(Look(), ElementsAre("0: fatal: seen"));
}

TEST_F(LogScannerTest, ManyBlocks_LoseNoLineAtTheirBorders) {
  std::string text;
  for (int line = 0; line < 60'000; ++line) text += "step " + std::to_string(line) + " is fine\n";
  const std::size_t border = 2 * (256 << 10) - 5;
  text.insert(text.find('\n', border - 40) + 1, "fatal: at the border of two blocks, or near it\n");
  Append(text);
  EXPECT_THAT(Look(), ElementsAre("0: fatal: at the border of two blocks, or near it"));
}

TEST_F(LogScannerTest, AfterARestart_WhatMayBeNewIsLookedAt) {
  Append("ECC of long ago\n" + std::string(LogScanner::kUnacknowledged, '.') +
         std::string(LogScanner::kLongestLine, '.') + "\nfatal: lately\n");
  EXPECT_THAT(Look(), ElementsAre("0: fatal: lately"));
}

TEST_F(LogScannerTest, WhatComesAfterTheSweepsEnd_IsNotLookedAt) {
  Append("ECC\n");
  sweep_.phase = coordinator::SweepPhase::kFailed;
  EXPECT_THAT(Look(), IsEmpty());
}

TEST_F(LogScannerTest, SweepWithoutRules_ReadsNothing) {
  sweep_.spec.on_log.clear();
  EXPECT_THAT(scanner_.Look(sweep_, AttemptEpoch(1), "0.out", "/nowhere", 100, true), IsEmpty());
}

}  // namespace
}  // namespace muster::server
