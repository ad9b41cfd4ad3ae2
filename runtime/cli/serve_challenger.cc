#include "runtime/cli/serve_challenger.h"

#include <boost/json/object.hpp>
#include <optional>
#include <utility>

#include "runtime/base/log.h"
#include "runtime/cli/model_fetch.h"

namespace muster::cli {
namespace {

using registry::serve::ExperimentEnd;

bool IsAlias(const ModelReference& reference) {
  return reference.version.find_first_not_of("0123456789") != std::string::npos;
}

/// Tells the registry's retraining of which the challenger is the outcome, which moves the aliases; where there is none,
/// moves them: the champion's to a challenger that passed, the challenger's away from one that did not.
class RegistryReporter final : public registry::serve::ExperimentReporter {
 public:
  RegistryReporter(const Context& context, std::optional<ModelReference> champion,
                   std::optional<ModelReference> challenger)
      : context_(context), champion_(std::move(champion)), challenger_(std::move(challenger)) {}

  Status Report(const ExperimentEnd& end) override {
    if (!(end.took_over ? champion_ : challenger_))
      return Ok();  // nothing that the registry knows of
    Status heard = Canary(end.model, {{"version", end.challenger},
                                      {"state", end.took_over ? "done" : "rolled_back"},
                                      {"share", end.took_over ? 1 : 0},
                                      {"reason", end.reason}});
    if (heard.ok() || heard.error().kind != ErrorKind::kNotFound) return heard;
    return end.took_over ? Promote(end) : TakeAway(end);
  }

  void Progress(const registry::serve::ExperimentStep& step) override {
    if (!challenger_) return;
    const Status heard = Canary(step.model, {{"version", step.challenger},
                                             {"state", "running"},
                                             {"share", step.share},
                                             {"reason", step.reason}});
    if (!heard.ok() && heard.error().kind != ErrorKind::kNotFound) {
      LogWarning("serve",
                 "the registry was not told of a rollout's step: " + heard.error().message);
    }
  }

 private:
  /// kNotFound where no retraining waits for it.
  Status Canary(const std::string& model, const boost::json::object& body) {
    return Post(model, "canary", body);
  }
  Status Promote(const ExperimentEnd& end) {
    return Post(end.model, "promote",
                {{"alias", champion_->version},
                 {"version", end.challenger},
                 {"expected", end.champion},
                 {"reason", "rollout: " + end.reason},
                 {"actor", context_.user}});
  }
  Status TakeAway(const ExperimentEnd& end) {
    MUSTER_ASSIGN_OR_RETURN(http::Client client, context_.Connect());
    const auto now = client.Json(
        "GET", Path(end.model, "versions/" + http::PercentEncode(challenger_->version)));
    if (!now.ok()) return now.error().kind == ErrorKind::kNotFound ? Ok() : Status(now.error());
    const auto* version = now->is_object() ? now->get_object().if_contains("version") : nullptr;
    if (version == nullptr || *version != end.challenger) return Ok();  // it names another by now
    return Post(
        end.model, "alias",
        {{"alias", challenger_->version},
         {"version", 0},
         {"reason", "version " + std::to_string(end.challenger) + " is rolled back: " + end.reason},
         {"actor", context_.user}});
  }
  static std::string Path(const std::string& model, const std::string& rest) {
    return "/api/muster/v1/models/" + http::PercentEncode(model) + "/" + rest;
  }
  Status Post(const std::string& model, const std::string& verb, const boost::json::object& body) {
    MUSTER_ASSIGN_OR_RETURN(http::Client client, context_.Connect());
    const auto answer = client.Json("POST", Path(model, verb), body);
    return answer.ok() ? Ok() : Status(answer.error());
  }

  const Context& context_;
  const std::optional<ModelReference> champion_, challenger_;
};

class FollowedChallenger final : public Challenger {
 public:
  FollowedChallenger(std::unique_ptr<registry::serve::ModelSource> source,
                     registry::serve::ModelServer& models,
                     registry::serve::ExperimentOptions options, RegistryReporter reporter,
                     registry::serve::DecisionLog log)
      : source_(std::move(source)),
        reporter_(std::move(reporter)),
        log_(std::move(log)),
        follower_(*source_, models, std::move(options), reporter_, log_) {
    follower_.Start();
  }

 private:
  std::unique_ptr<registry::serve::ModelSource> source_;
  RegistryReporter reporter_;
  registry::serve::DecisionLog log_;
  registry::serve::ChallengerFollower follower_;
};

std::optional<ModelReference> AliasIn(const std::string& text) {
  std::error_code failure;
  if (std::filesystem::is_directory(text, failure)) return std::nullopt;
  const auto reference = ParseModelReference(text);
  if (!reference.ok() || !IsAlias(*reference)) return std::nullopt;
  return *reference;
}

registry::serve::ExperimentOptions OptionsOf(const ChallengerFlags& flags) {
  registry::serve::ExperimentOptions options;
  options.rollout = flags.rollout;
  options.rollout.step_time = std::chrono::seconds(flags.step_seconds);
  options.rollout.steps.clear();
  for (const double percent : flags.ab > 0 ? std::vector{flags.ab} : flags.canary) {
    options.rollout.steps.push_back(percent / 100);
  }
  options.sticky_header = flags.sticky_header;
  if (flags.shadow) options.shadow.emplace();
  return options;
}

Result<std::filesystem::path> LogFile(const Context& context, const ChallengerFlags& flags) {
  if (!flags.log.empty()) return std::filesystem::path(flags.log);
  const std::filesystem::path folder = context.Home() / "serving";
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure) return IoError(folder.string(), failure.value());
  return folder / ("decisions-" + http::PercentEncode(flags.source) + ".jsonl");
}

}  // namespace

void AddChallengerFlags(CLI::App& command, ChallengerFlags& flags) {
  constexpr const char* kGroup = "Challenger";
  command
      .add_option(
          "--challenger", flags.source,
          "A second version, as NAME@challenger, which gets a growing share of the requests "
          "(--canary), a fixed one (--ab) or copies (--shadow); it is rolled back by itself "
          "when it is worse, and a canary that passes takes --model's alias")
      ->group(kGroup);
  command
      .add_option("--canary", flags.canary, "Its shares of the requests, in percent, step by step")
      ->delimiter(',')
      ->capture_default_str()
      ->group(kGroup);
  auto* ab = command.add_option("--ab", flags.ab, "Keep it at this percentage: an A/B test")
                 ->check(CLI::Range(0.01, 99.99))
                 ->excludes("--canary")
                 ->group(kGroup);
  command.add_flag("--shadow", flags.shadow, "It computes copies and answers nobody")
      ->excludes("--canary")
      ->excludes(ab)
      ->group(kGroup);
  command.add_option("--step-time", flags.step_seconds, "Seconds that a step lasts at least")
      ->check(CLI::Range(0, 30 * 86'400))
      ->capture_default_str()
      ->group(kGroup);
  command
      .add_option("--step-answers", flags.rollout.step_answers,
                  "Answers that it has given in a step at least")
      ->capture_default_str()
      ->group(kGroup);
  command
      .add_option("--step-labels", flags.rollout.step_labels,
                  "Labels of its answers (POST .../outcomes) that have come in a step at least; 0: "
                  "labels that come later than a step lasts decide nothing")
      ->capture_default_str()
      ->group(kGroup);
  command
      .add_option("--alpha", flags.rollout.alpha,
                  "Chance that one which is no worse is rolled back, however often is looked")
      ->capture_default_str()
      ->group(kGroup);
  command
      .add_option("--loss", flags.rollout.loss,
                  "Smallest loss, of the rate of answers or right labels, that matters")
      ->capture_default_str()
      ->group(kGroup);
  command
      .add_option("--slow-ms", flags.rollout.slow_ms,
                  "An answer that takes longer is slow; 0: none is")
      ->capture_default_str()
      ->group(kGroup);
  command
      .add_option("--slow-share", flags.rollout.slow_share,
                  "Share of slow answers that is still good enough")
      ->capture_default_str()
      ->group(kGroup);
  command
      .add_option("--sticky-header", flags.sticky_header,
                  "Requests with the same value of this header stay on one side")
      ->capture_default_str()
      ->group(kGroup);
  command
      .add_option("--decision-log", flags.log,
                  "Where decisions are kept, a line of JSON each; default: below the home")
      ->group(kGroup);
}

Result<std::unique_ptr<Challenger>> StartChallenger(const Context& context,
                                                    const ChallengerFlags& flags,
                                                    const std::string& champion,
                                                    registry::serve::ModelServer& models) {
  if (flags.source.empty()) return std::unique_ptr<Challenger>();
  const auto options = OptionsOf(flags);
  MUSTER_RETURN_IF_ERROR(registry::CheckRollout(options.rollout));
  MUSTER_ASSIGN_OR_RETURN(auto source, MakeModelSource(context, flags.source));
  MUSTER_ASSIGN_OR_RETURN(const auto file, LogFile(context, flags));
  MUSTER_ASSIGN_OR_RETURN(auto log, registry::serve::DecisionLog::Open(file));
  RegistryReporter reporter(context, AliasIn(champion), AliasIn(flags.source));
  return std::unique_ptr<Challenger>(std::make_unique<FollowedChallenger>(
      std::move(source), models, options, std::move(reporter), std::move(log)));
}

}  // namespace muster::cli
