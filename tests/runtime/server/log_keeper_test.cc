#include "runtime/server/log_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/base/base64.h"
#include "runtime/base/file.h"
#include "runtime/base/random.h"
#include "tests/runtime/server/small_spec.h"

namespace muster::server {
namespace {

using namespace coordinator;
using testing::ElementsAre;
using testing::IsEmpty;

/// A gang of two ranks on two nodes, whose sweep has rules.
class LogKeeperTest : public testing::Test {
 protected:
  LogKeeperTest() {
    wire::SweepSpec spec = SmallSpec();
    spec.trial.ranks = 2;
    spec.on_log = {{"fatal", wire::LogReaction::kFail}};
    AttemptStarted started;
    started.epoch = epoch_;
    started.trial = trial_;
    started.places = {{NodeId("a"), 0, 1, {0}, {}}, {NodeId("b"), 1, 1, {0}, {}}};
    for (const EventBody& body : std::vector<EventBody>{
             NodeSeen{NodeId("a"), "a.example", 1}, NodeSeen{NodeId("b"), "b.example", 1},
             SweepSubmitted{SweepId("s"), spec, {}},
             TrialCreated{trial_, SweepId("s"), 0, {}, RunId("r"), 0}, started}) {
      ApplyEvent(state_, {1, body});
    }
  }
  ~LogKeeperTest() override { std::filesystem::remove_all(folder_); }

  /// "fatal" of a match, "stored 5" of what is acknowledged.
  std::vector<std::string> Store(const std::string& node, const std::string& log,
                                 std::int64_t begin, const std::string& text) {
    std::vector<std::string> said;
    const StoreLog chunk{NodeId(node), trial_, epoch_, log, begin, EncodeBase64(text)};
    for (const Input& input : logs_.Store(state_, chunk)) {
      if (const auto* matched = std::get_if<LogMatched>(&input)) said.push_back(matched->line);
      if (const auto* stored = std::get_if<LogStored>(&input)) {
        said.push_back("stored " + std::to_string(stored->end));
      }
    }
    return said;
  }
  /// "0.out: line" of what the exit of the node's part brings.
  std::vector<std::string> Exit(const std::string& node, AttemptEpoch epoch) {
    std::vector<std::string> said;
    const FromNode exit{NodeId(node), wire::Exited{.epoch = epoch}};
    for (const LogMatched& match : logs_.LookAtEnds(state_, exit)) {
      said.push_back(match.log + ": " + match.line);
    }
    return said;
  }

  const TrialId trial_{"s/0"};
  const AttemptEpoch epoch_{1};
  State state_;
  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("muster-logs-" + RandomHex(8));
  LogKeeper logs_{folder_};
};

TEST_F(LogKeeperTest, Match_ComesBeforeTheAcknowledgement) {
  EXPECT_THAT(Store("a", "0.out", 0, "fatal 1\nfa"), ElementsAre("fatal 1", "stored 10"));
  EXPECT_EQ(*ReadWholeFile(logs_.PathOf(trial_, epoch_, "0.out")), "fatal 1\nfa");
  EXPECT_THAT(Store("a", "0.out", 20, "beyond the end"), ElementsAre("stored 10"));
}

TEST_F(LogKeeperTest, ExitOfOneNode_EndsTheLinesOfItsRanksAlone) {
  Store("a", "0.err", 0, "fatal on a");
  Store("b", "1.err", 0, "fatal on b");
  EXPECT_THAT(Exit("b", epoch_), ElementsAre("1.err: fatal on b"));
  EXPECT_THAT(Exit("stranger", epoch_), IsEmpty());
  EXPECT_THAT(Exit("a", AttemptEpoch(7)), IsEmpty());
  ApplyEvent(state_, {2, MemberEnded{epoch_, NodeId("b"), wire::ExitCause::kUser, "exit 1", 1}});
  EXPECT_THAT(Exit("b", epoch_), IsEmpty()) << "that part has ended";
}

TEST_F(LogKeeperTest, OnText_HearsWhatWasStored) {
  std::vector<std::string> heard;
  logs_ = LogKeeper(folder_, [&](const RunId& run, const std::string& log, std::int64_t begin,
                                 const std::string& bytes) {
    heard.push_back(run.value + " " + log + " " + std::to_string(begin) + " " + bytes);
  });
  const std::string run = state_.FindTrial(trial_)->run.value;
  Store("a", "0.out", 0, "one\ntw");
  Store("a", "0.out", 20, "beyond the end");
  Store("a", "0.out", 6, "o\n");
  EXPECT_THAT(heard, ElementsAre(run + " 0.out 0 one\ntw", run + " 0.out 6 o\n"));
}

TEST_F(LogKeeperTest, ChunkThatIsNoBase64_IsNotAcknowledged) {
  const StoreLog chunk{NodeId("a"), trial_, epoch_, "0.out", 0, "?"};
  EXPECT_THAT(logs_.Store(state_, chunk), IsEmpty());
}

}  // namespace
}  // namespace muster::server
