#include "runtime/server/program_exporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "runtime/base/file.h"
#include "runtime/base/random.h"

namespace muster::server {
namespace {

/// Exports with a script in place of a trial.
class ProgramExporterTest : public testing::Test {
 protected:
  ProgramExporterTest() { std::filesystem::create_directories(folder_ / "out"); }
  ~ProgramExporterTest() override { std::filesystem::remove_all(folder_); }

  Status Export(const std::string& script) {
    EXPECT_TRUE(WriteFileAtomically(folder_ / "trial", "#!/bin/sh\n" + script, 0755).ok());
    return exporter_.Export({.program = "trial", .out_dir = folder_ / "out"});
  }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("muster-export-" + RandomHex(8));
  ProgramExporter exporter_{{.bin_dir = folder_}};
};

TEST_F(ProgramExporterTest, OnlyAnEndByAnotherHandIsWorthAnotherTry) {
  EXPECT_TRUE(Export("exit 0").ok());
  for (const std::string how : {"KILL", "TERM"}) {
    EXPECT_EQ(Export("kill -" + how + " $$").error().kind, ErrorKind::kUnavailable) << how;
  }
  for (const std::string how : {"SEGV", "ABRT"}) {
    const Status crashed = Export("echo no such operator; kill -" + how + " $$");
    EXPECT_EQ(crashed.error().kind, ErrorKind::kInvalid) << how;
    EXPECT_THAT(crashed.error().message, testing::HasSubstr("no such operator"));
  }
}

TEST_F(ProgramExporterTest, Stop_EndsWhatIsUnderWayAndWhatComes) {
  std::thread stopping([&] { exporter_.Stop(); });
  const Status ended = Export("exec sleep 600");
  stopping.join();
  EXPECT_EQ(ended.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(Export("exit 0").error().message, testing::HasSubstr("stopping"));
}

}  // namespace
}  // namespace muster::server
