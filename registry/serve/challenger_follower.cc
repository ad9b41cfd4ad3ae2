#include "registry/serve/challenger_follower.h"

#include <boost/json/array.hpp>
#include <charconv>
#include <utility>

#include "runtime/base/log.h"

namespace muster::registry::serve {
namespace {

std::int64_t Number(const std::string& version) {
  std::int64_t number = 0;
  std::from_chars(version.data(), version.data() + version.size(), number);
  return number;
}

}  // namespace

ChallengerFollower::ChallengerFollower(ModelSource& source, ModelServer& server,
                                       ExperimentOptions options, ExperimentReporter& reporter,
                                       DecisionLog& log, std::chrono::milliseconds poll)
    : source_(source),
      server_(server),
      options_(std::move(options)),
      reporter_(reporter),
      log_(log),
      thread_([this] { return Step(); }, poll) {}

Status ChallengerFollower::Step() {
  auto experiment = model_.empty() ? nullptr : server_.ExperimentOn(model_);
  if (experiment == nullptr) return Follow(nullptr);
  MUSTER_RETURN_IF_ERROR(WriteDecisions(*experiment));
  if (experiment->state() == Rollout::State::kRunning) return Follow(std::move(experiment));
  const ExperimentEnd end{model_, Number(experiment->champion()->version),
                          Number(experiment->challenger()->version),
                          experiment->state() == Rollout::State::kDone,
                          std::string(experiment->LastDecision().at("reason").as_string())};
  experiment.reset();  // or the server would wait for it
  return Settle(end);
}

Status ChallengerFollower::WriteDecisions(const Experiment& experiment) {
  const boost::json::object all = experiment.Describe();
  const boost::json::array& decisions = all.at("decisions").as_array();
  for (; written_ < decisions.size(); ++written_) {
    boost::json::object line = decisions[written_].as_object();
    for (const char* key : {"model", "champion", "challenger", "mode"}) line[key] = all.at(key);
    MUSTER_RETURN_IF_ERROR(log_.Append(line));
    if (line.at("state") != "running") continue;  // the end is reported until it is heard
    reporter_.Progress({model_, Number(experiment.challenger()->version),
                        line.at("share").to_number<double>(),
                        std::string(line.at("reason").as_string())});
  }
  return Ok();
}

Status ChallengerFollower::Settle(const ExperimentEnd& end) {
  Status told = reporter_.Report(end);
  // The share stands as decided, also while nobody can be told.
  if (!told.ok() && told.error().kind == ErrorKind::kUnavailable) return told;
  const bool refused = end.took_over && !told.ok();
  server_.EndExperiment(model_, end.took_over && !refused);
  written_ = 0;
  if (!refused) return told;
  MUSTER_RETURN_IF_ERROR(log_.Append({{"time", SystemClock().UnixNow()},
                                      {"state", "rolled_back"},
                                      {"share", 0},
                                      {"reason", told.error().message},
                                      {"model", model_},
                                      {"champion", std::to_string(end.champion)},
                                      {"challenger", std::to_string(end.challenger)}}));
  return told.error().With(model_ + " version " + std::to_string(end.challenger) +
                           " has passed its rollout and goes back all the same");
}

Status ChallengerFollower::Follow(std::shared_ptr<Experiment> experiment) {
  const auto current = source_.Current();
  if (!current.ok()) {
    if (current.error().kind != ErrorKind::kNotFound) return current.error();
    if (experiment != nullptr) experiment->GoBack("the challenger was taken away");
    return log_.Forget();
  }
  const std::string version = std::to_string(current->version);
  if (experiment != nullptr && experiment->challenger()->version == version) return Ok();
  const ServedPtr champion = server_.Find(current->name);
  if (champion == nullptr || champion->version == version) return Ok();
  if (log_.WasSentBack(current->name, version)) return Ok();
  if (failed_ == *current) return failure_;
  failed_.reset();
  experiment.reset();  // or the server would wait for it
  if (Status challenged = server_.Challenge(*current, options_); !challenged.ok()) {
    // The champion's change may have been what was wrong.
    if (challenged.error().kind != ErrorKind::kConflict) failed_ = *current;
    return failure_ =
               challenged.error().With(current->name + " version " + version + " cannot challenge");
  }
  model_ = current->name;
  written_ = 0;
  LogInfo("serve", model_ + " version " + version + " challenges version " + champion->version);
  return WriteDecisions(*server_.ExperimentOn(model_));
}

}  // namespace muster::registry::serve
