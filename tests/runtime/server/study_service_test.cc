#include "runtime/server/study_service.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/json/parse.hpp>
#include <filesystem>
#include <future>
#include <set>
#include <thread>

#include "runtime/sim/disk_vfs.h"

namespace muster::server {
namespace {

using boost::json::parse;
using boost::json::value;

Result<value> Ask(StudyService& service, const std::string& study, std::string_view requests) {
  std::promise<Result<value>> promise;
  service.Answer(study, parse(requests), [&](const Result<std::string>& answer) {
    promise.set_value(answer.ok() ? Result<value>(parse(*answer)) : Result<value>(answer.error()));
  });
  return promise.get_future().get();
}

class StudyServiceTest : public testing::Test {
 protected:
  StudyServiceTest() : folder_(testing::TempDir() + "/study_service_test") {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    Open();
  }
  void Open() {
    service_.reset();
    auto opened = StudyService::Open(folder_ / "studies.db");
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    service_ = std::move(opened).value();
  }
  Result<value> Ask(const std::string& study, std::string_view requests) {
    return server::Ask(*service_, study, requests);
  }
  void Create(const std::string& study) {
    const auto made = Ask(study, R"({"op":"create","space":{"x":{"float":[0,1]}},"seed":4,
        "sampler":"tpe","stop":{"asha":{"max":9}}})");
    ASSERT_TRUE(made.ok()) << made.error().message;
  }

  std::filesystem::path folder_;
  std::unique_ptr<StudyService> service_;
};

TEST_F(StudyServiceTest, AnArrayIsAnsweredInOrder_ErrorsInTheirPlace) {
  Create("s");
  const auto answers = Ask("s", R"([{"op":"ask"},{"op":"report","trial":0,"step":1,"value":0.5},
      {"op":"tell","trial":7,"value":1},{"op":"tell","trial":0,"value":0.5},{"op":"ask"}])");
  ASSERT_TRUE(answers.ok());
  EXPECT_EQ(answers->at(0).at("trial"), 0);
  EXPECT_EQ(answers->at(1).at("verdict"), "continue");
  EXPECT_EQ(answers->at(2).at("error").at("kind"), "NOT_FOUND");
  EXPECT_EQ(answers->at(3).at("trial"), 0);
  EXPECT_EQ(answers->at(4).at("trial"), 1);
  EXPECT_EQ(service_->List().at(0), parse(R"({"study":"s","trials":2,"unfinished":1})"));
}

TEST_F(StudyServiceTest, WrongRequests_AreRefused) {
  EXPECT_EQ(Ask("s", R"({"op":"ask"})").error().kind, ErrorKind::kNotFound);
  EXPECT_TRUE(service_->List().empty());
  Create("s");
  EXPECT_EQ(Ask("s", R"({"op":"ask","study":"t"})").error().message,
            "at study: the path says which one; leave it out");
  EXPECT_EQ(Ask("s", "3").error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(Ask("s", R"({"op":"tell","trial":0,"value":1})").error().kind, ErrorKind::kNotFound);
}

TEST_F(StudyServiceTest, Reopened_GoesOnAsIfItHadNeverStopped) {
  // One that is reopened after every few trials against one that never is.
  Create("stopped");
  Create("steady");
  for (int trial = 0; trial < 30; ++trial) {
    value asked[2];
    for (int i = 0; i < 2; ++i) {
      const std::string study = i == 0 ? "stopped" : "steady";
      asked[i] = *Ask(study, R"({"op":"ask"})");
      const double x = asked[i].at("params").at("x").to_number<double>();
      const std::string number = std::to_string(trial),
                        loss = std::to_string((x - 0.3) * (x - 0.3));
      const auto told =
          Ask(study, R"([{"op":"report","step":1,"trial":)" + number + R"(,"value":)" + loss +
                         R"(},{"op":"tell","trial":)" + number + R"(,"value":)" + loss + "}]");
      ASSERT_TRUE(told.ok());
    }
    EXPECT_EQ(asked[0], asked[1]) << trial;
    if (trial % 4 == 0) Open();
  }
}

TEST_F(StudyServiceTest, ManyClients_NeverGetOneTrialTwice) {
  Create("s");
  std::vector<std::thread> clients;
  std::mutex mutex;
  std::set<std::int64_t> trials;
  for (int client = 0; client < 8; ++client) {
    clients.emplace_back([&] {
      for (int i = 0; i < 25; ++i) {
        const auto asked = Ask("s", R"({"op":"ask"})");
        const std::lock_guard lock(mutex);
        trials.insert(asked->at("trial").to_number<std::int64_t>());
      }
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(trials.size(), 200U);
  Open();
  EXPECT_EQ(Ask("s", R"({"op":"ask"})")->at("trial"), 200);
}

TEST_F(StudyServiceTest, DroppedStudies_AreGone_AlsoAfterReopening) {
  Create("s");
  ASSERT_TRUE(Ask("s", R"({"op":"drop"})").ok());
  Open();
  EXPECT_TRUE(service_->List().empty());
  Create("s");
  EXPECT_EQ(Ask("s", R"({"op":"ask"})")->at("trial"), 0);
}

TEST_F(StudyServiceTest, DroppedAndMadeAnewInOneRequest_OnlyTheNewOneIsKept) {
  Create("s");
  ASSERT_TRUE(Ask("s", R"([{"op":"ask"},{"op":"ask"}])").ok());
  const auto answers = Ask("s", R"([{"op":"drop"},{"op":"ask"},
      {"op":"create","space":{"y":{"int":[0,9]}}},{"op":"ask"}])");
  EXPECT_EQ(answers->at(1).at("error").at("kind"), "NOT_FOUND");
  EXPECT_TRUE(answers->at(3).at("params").as_object().contains("y"));
  const auto trials = Ask("s", R"({"op":"trials"})");
  EXPECT_EQ(trials->at("trials").as_array().size(), 1U);
  Open();
  EXPECT_EQ(Ask("s", R"({"op":"trials"})").value(), *trials);
}

TEST_F(StudyServiceTest, FailedCreate_LeavesNothingBehind) {
  EXPECT_EQ(Ask("s", R"({"op":"create"})").error().kind, ErrorKind::kInvalid);
  EXPECT_TRUE(service_->List().empty());
  EXPECT_EQ(Ask("s", R"({"op":"ask"})").error().message,
            R"(there is no study 's'; {"op": "create"} makes one)");
  Create("s");
  EXPECT_EQ(Ask("s", R"({"op":"ask"})")->at("trial"), 0);
  Open();
  EXPECT_EQ(service_->List().size(), 1U);
}

TEST_F(StudyServiceTest, BudgetSpentWithPausedTrials_TheyStayEndedAfterReopening) {
  ASSERT_TRUE(Ask("s", R"({"op":"create","space":{"x":{"float":[0,1]}},"sampler":"random",
      "trials":4,"stop":{"asha":{"max":9,"mode":"promote"}}})")
                  .ok());
  const auto paused = [&] {
    int count = 0;
    const auto trials = Ask("s", R"({"op":"trials"})");
    for (const auto& trial : trials->at("trials").as_array())
      count += trial.at("state") == "paused";
    return count;
  };
  // Each trial is better than those before it, so that all pause at a rung and few go on.
  auto spent = Ask("s", R"({"op":"ask"})");
  int waiting = 0;
  while (spent.ok()) {
    const std::string trial = std::to_string(spent->at("trial").to_number<std::int64_t>());
    const auto* from = spent->as_object().if_contains("from");
    const std::int64_t step = from == nullptr ? 1 : 3 * from->at("step").to_number<std::int64_t>();
    const auto reported = Ask("s", R"({"op":"report","trial":)" + trial + R"(,"value":-)" + trial +
                                       R"(,"step":)" + std::to_string(step) + "}");
    ASSERT_TRUE(reported.ok()) << reported.error().message;
    if (reported->at("verdict") != "pause") {
      ASSERT_TRUE(Ask("s", R"({"op":"tell","state":"pruned","trial":)" + trial + "}").ok());
    }
    Open();
    waiting = paused();
    spent = Ask("s", R"({"op":"ask"})");
  }
  EXPECT_EQ(spent.error().kind, ErrorKind::kResource);
  EXPECT_GT(waiting, 0);
  EXPECT_EQ(paused(), 0);
  const auto trials = Ask("s", R"({"op":"trials"})");
  Open();
  EXPECT_EQ(Ask("s", R"({"op":"trials"})").value(), *trials);
  EXPECT_EQ(Ask("s", R"({"op":"ask"})").error().message, spent.error().message);
}

TEST(StudyServiceOnAFailingDisk, FailedCommit_AllOfItsRequestsFail_AndItGoesOnOnceTheDiskIsWell) {
  using Failure = sim::Disk::Failure;
  for (const Failure failure : {Failure::kFull, Failure::kWrite, Failure::kSync}) {
    sim::Disk disk{Random(7)};
    sim::DiskVfs vfs(disk);
    const auto open = [&] { return StudyService::Open("/studies.db", vfs.name().c_str()).value(); };
    auto service = open();
    constexpr const char* kCreate =
        R"({"op":"create","space":{"x":{"float":[0,1]}},"seed":4,"sampler":"tpe"})";
    ASSERT_TRUE(Ask(*service, "s", kCreate).ok());
    ASSERT_TRUE(Ask(*service, "s", R"([{"op":"ask"},{"op":"ask"}])").ok());
    const auto before = Ask(*service, "s", R"({"op":"trials"})");

    vfs.Between([&](sim::Disk& at) { at.FailFrom(failure, 1); });
    std::vector<std::thread> clients;
    std::atomic<int> answered = 0;
    for (const char* request :
         {R"({"op":"ask"})", R"({"op":"tell","trial":0,"value":1})",
          R"([{"op":"report","trial":1,"step":1,"value":1}])", R"({"op":"drop"})"}) {
      clients.emplace_back([&, request] {
        for (int i = 0; i < 5; ++i) answered += Ask(*service, "s", request).ok() ? 1 : 0;
      });
    }
    clients.emplace_back([&] { answered += Ask(*service, "t", kCreate).ok() ? 1 : 0; });
    for (auto& client : clients) client.join();
    EXPECT_EQ(answered, 0);
    vfs.Between([](sim::Disk& at) { at.Mend(); });

    EXPECT_EQ(Ask(*service, "s", R"({"op":"trials"})").value(), *before);
    EXPECT_EQ(service->List().size(), 1U);
    const auto next = Ask(*service, "s", R"({"op":"ask"})");
    EXPECT_EQ(next->at("trial"), 2);
    EXPECT_TRUE(Ask(*service, "s", R"({"op":"tell","trial":0,"value":1})").ok());
    EXPECT_TRUE(Ask(*service, "t", kCreate).ok());
    const auto after = Ask(*service, "s", R"({"op":"trials"})");
    service.reset();
    service = open();
    EXPECT_EQ(Ask(*service, "s", R"({"op":"trials"})").value(), *after);
    EXPECT_EQ(service->List().size(), 2U);
  }
}

}  // namespace
}  // namespace muster::server
