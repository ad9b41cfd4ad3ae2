#include "runtime/config/slurm_profile.h"

#include <gmock/gmock.h>

namespace muster::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

TEST(SlurmProfile, WithEveryKey_IsRead) {
  const auto profile = ParseSlurmProfile(
      "partition: gpu\naccount: 007\nqos: normal\nconstraint: a100|h100\nreservation: r\n"
      "gpu_type: a100\nmodules: [gcc/12.10, cuda]\ncontainer: {image: /m.sif, options: [--bind, "
      "/scratch]}\n"
      "sbatch: [--exclusive, --mail-type=END]\nsetup: |\n  a\n  b\nenvironment: {N: 1.50, OFF: "
      "false}\n"
      "limits: {time: 2d, nodes: 16, jobs: 50, array: 500}\n",
      "p.yaml");
  ASSERT_TRUE(profile.ok()) << profile.error().message;
  EXPECT_EQ(profile->account, "007") << "text is as it stands";
  EXPECT_THAT(profile->modules, ElementsAre("gcc/12.10", "cuda"));
  EXPECT_EQ(profile->container.image, "/m.sif");
  EXPECT_THAT(profile->container.options, ElementsAre("--bind", "/scratch"));
  EXPECT_THAT(profile->sbatch, ElementsAre("--exclusive", "--mail-type=END"));
  EXPECT_EQ(profile->setup, "a\nb\n");
  EXPECT_THAT(profile->environment, ElementsAre(Pair("N", "1.50"), Pair("OFF", "false")));
  EXPECT_EQ(profile->limits.time_seconds, 2 * 86'400);
  EXPECT_EQ(profile->limits.array, 500);
}

TEST(SlurmProfile, Wrong_IsRefusedWithItsPlace) {
  const struct {
    const char* text;
    const char* says;
  } cases[] = {
      {"partition: a\npartiton: b\n", "p.yaml:2:1: partiton: unknown key 'partiton'"},
      {"partition: a\npartiton: b\n", "did you mean 'partition'?"},
      {"partition: [a", "p.yaml:1:"},
      {"- a\n", "p.yaml:1:1: wanted a map"},
      {"limits:\n  time: 2y\n", "p.yaml:2:3: limits.time: '2y' is not a duration"},
      {"limits:\n  nodes: many\n", "p.yaml:2:3: limits.nodes: wanted an integer"},
      {"limits:\n  jobs: -1\n", "p.yaml:2:3: limits.jobs: wanted 1 or more, got -1"},
      {"modules: gcc\n", "p.yaml:1:1: modules: wanted an array"},
      {"gpu_type: gpu:a100\n", "gpu_type: wanted a type alone"},
      {"container:\n  options: [--nv]\n", "container.options: there is no image"},
      {"sbatch:\n  - -N2\n", "p.yaml:2:5: sbatch[0]: wanted like --exclusive"},
      {"sbatch: [--nodes=4]\n", "sbatch[0]: muster sets --nodes itself"},
      {"sbatch: [--ntasks-per=2]\n", "muster sets --ntasks-per-node itself"},
      {"sbatch: [\"--comment=a b\"]\n", "muster sets --comment itself"},
      {"sbatch: [\"--exclusive\\n#SBATCH --nodes=9\"]\n", "sbatch[0]: wanted one line"},
      {"environment: {a-b: 1}\n", "environment.a-b: wanted a name"},
  };
  for (const auto& [text, says] : cases) {
    const auto profile = ParseSlurmProfile(text, "p.yaml");
    ASSERT_FALSE(profile.ok()) << text;
    EXPECT_EQ(profile.error().kind, ErrorKind::kInvalid) << text;
    EXPECT_THAT(profile.error().message, HasSubstr(says)) << text;
  }
}

}  // namespace
}  // namespace muster::config
