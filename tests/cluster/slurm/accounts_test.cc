#include "tests/cluster/slurm/slurm_fixture.h"

/// With slurmdbd: what jobs cost, and limits of users.

namespace muster::cluster::slurm {
namespace {

class SlurmAccounts : public SlurmTest {
 protected:
  static void SetUpTestSuite() { SetUpLab({"--accounting=associations,limits,qos"}, true); }
};

TEST_F(SlurmAccounts, Usage_IsThatOfAllStarts) {
  auto system = System();
  JobRequest request =
      Script("accounts:usage", "echo; [ \"$SLURM_RESTART_COUNT\" = 1 ] && exit 0; sleep 600");
  request.requeue = true;
  request.cpus_per_node = 2;
  request.gpus_per_node = 1;
  const std::string id = Submit(system, request);
  lab().AwaitFile(id + ".log");
  std::this_thread::sleep_for(std::chrono::seconds(2));  // that it costs something
  lab().Slurm({"scontrol", "requeue", id});
  EXPECT_EQ(tests::AwaitJob(system, "accounts:usage", 0, JobState::kEnded).restarts, 1);
  JobUsage usage;
  tests::SlurmLab::AwaitTrue("the accounts", [&] {
    const auto now = system.Usage({{id, "accounts:usage"}});
    EXPECT_TRUE(now.ok()) << now.error().message;
    usage = now->at(0);
    return usage.gpu_seconds.value_or(0) >= 2;
  });
  EXPECT_EQ(usage.cpu_seconds.value_or(0), 2 * usage.gpu_seconds.value_or(0));
  EXPECT_FALSE(usage.joules) << "nothing measures it here";
  const auto others = system.Usage({{id, "accounts:another"}, {id, "accounts:usage"}});
  ASSERT_TRUE(others.ok());
  EXPECT_EQ(others->at(1).cpu_seconds, usage.cpu_seconds);
  EXPECT_FALSE(others->at(0).cpu_seconds) << "an id that was given out before";
}

TEST_F(SlurmAccounts, WrongAccountAndQos_AreRefusedForGood) {
  SlurmProfile account;
  account.account = "nobody";
  SlurmProfile qos;
  qos.qos = "best";
  for (const auto& [profile, says] :
       {std::pair(account, "Invalid account"), std::pair(qos, "Invalid qos")}) {
    auto system = System(profile);
    ExpectRefused(system.Check(Script("accounts:wrong", "true")), ErrorKind::kInvalid, says);
    ExpectRefused(system.Submit(Script("accounts:wrong", "true")), ErrorKind::kInvalid, says);
  }
}

TEST_F(SlurmAccounts, FullQueue_IsForNow) {
  lab().Slurm({"sacctmgr", "-i", "modify", "user", "root", "set", "maxsubmitjobs=2"});
  auto system = System();
  JobRequest request = Script("accounts:full", "sleep 600");
  request.count = 2;
  Submit(system, request);
  request.count = 1;
  ExpectRefused(system.Submit(request), ErrorKind::kResource, "AssocMaxSubmitJobLimit");
  Cancel(system, "accounts:full");
  request.count = 3;
  ExpectRefused(system.Submit(request), ErrorKind::kInvalid, "AssocMaxSubmitJobLimit");
  lab().Slurm({"sacctmgr", "-i", "modify", "user", "root", "set", "maxsubmitjobs=-1"});
}

}  // namespace
}  // namespace muster::cluster::slurm
