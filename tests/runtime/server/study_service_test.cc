#include "runtime/server/study_service.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <filesystem>
#include <future>
#include <set>
#include <thread>

namespace muster::server {
namespace {

using boost::json::parse;
using boost::json::value;

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
    std::promise<Result<value>> promise;
    service_->Answer(study, parse(requests), [&](const Result<std::string>& answer) {
      promise.set_value(answer.ok() ? Result<value>(parse(*answer))
                                    : Result<value>(answer.error()));
    });
    return promise.get_future().get();
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

}  // namespace
}  // namespace muster::server
