#include "tuner/samplers/auto.h"

#include <algorithm>

namespace muster::tuner {
namespace {

/// Up to here the Gaussian process answers in some 10 ms (a few of them 100), and ahead of all others.
constexpr std::int64_t kMostForGp = 400;
/// Trials that run beside: each is a row more in every ask.
constexpr std::int64_t kMostBesideGp = 128;
constexpr std::size_t kMostParametersForGp = 50;
/// A bowl whose lowest point fails draws the Gaussian process over the border again and again: from so many failures
/// on, and such a share of all, TPE's caution is the better one.
constexpr std::int64_t kFewFailures = 8;
constexpr std::int64_t kFailuresShare = 10;  ///< one in so many

std::string Text(std::int64_t count, const char* what) {
  return std::to_string(count) + " " + what;
}

std::int64_t Finished(const History& history) {
  return static_cast<std::int64_t>(history.trials().size()) - history.unfinished();
}

std::int64_t Failures(const History& history) {
  return std::ranges::count_if(history.trials(), &Trial::broke);
}

/// Numbers alone have directions, which CMA-ES learns; choices and branches are TPE's.
std::string CheapFor(const Space& space) {
  const bool numbers = std::ranges::all_of(
      space.scales(), [](const Scale& scale) { return scale.choices == 0 && scale.cells == 0; });
  return numbers && !space.scales().empty() ? "cmaes" : "tpe";
}

}  // namespace

AutoSampler::AutoSampler(const SearchSpec& spec) : spec_(spec) {}
AutoSampler::~AutoSampler() = default;

AutoSampler::Choice AutoSampler::Choose(const History& history) const {
  const auto parameters = static_cast<std::int64_t>(spec_.space->size());
  const std::int64_t finished = Finished(history);
  const std::int64_t beside = std::max(history.unfinished(), spec_.parallel);
  const std::string after = Text(finished, "trials have ended");
  if (spec_.goals.size() > 1) {
    return {"nsga2", Text(static_cast<std::int64_t>(spec_.goals.size()), "objectives")};
  }
  const std::string cheap = CheapFor(*spec_.space);
  if (spec_.stop.contains("bohb")) return {"tpe", "BOHB fits TPE to its rungs"};
  if (parameters > static_cast<std::int64_t>(kMostParametersForGp)) {
    return {"tpe",
            Text(parameters, "parameters are more than a Gaussian process is asked about, ") +
                std::to_string(kMostParametersForGp)};
  }
  if (beside > kMostBesideGp) {
    return {"tpe",
            Text(beside, "trials at once are more than a Gaussian process is asked beside, ") +
                std::to_string(kMostBesideGp)};
  }
  if (finished >= kMostForGp) {
    return {cheap, after + "; from " + std::to_string(kMostForGp) +
                       " on a Gaussian process takes too long to answer"};
  }
  const std::int64_t failures = Failures(history);
  if (failures >= kFewFailures && failures * kFailuresShare >= finished) {
    return {"tpe", Text(failures, "of ") + Text(finished,
                                                "trials failed, and it keeps farther from "
                                                "what does")};
  }
  return {"gp", after + " of the " + std::to_string(kMostForGp) +
                    " up to which a Gaussian process answers quickly, " +
                    Text(parameters, "parameters, ") + Text(beside, "at once")};
}

Result<Sampler*> AutoSampler::Get(const std::string& name) {
  const auto found = std::ranges::find(made_, name, &Made::name);
  if (found != made_.end()) return found->sampler.get();
  SearchSpec spec = spec_;
  spec.sampler = name;
  MUSTER_ASSIGN_OR_RETURN(auto sampler, MakeSampler(spec));
  made_.push_back({name, std::move(sampler)});
  return made_.back().sampler.get();
}

Result<Suggestion> AutoSampler::Suggest(std::int64_t number, const History& history) {
  MUSTER_ASSIGN_OR_RETURN(Sampler* const sampler, Get(Choose(history).name));
  return sampler->Suggest(number, history);
}

std::string AutoSampler::Explain(const History& history) {
  const Choice choice = Choose(history);
  const auto sampler = Get(choice.name);
  return "auto: " + choice.name + ", because " + choice.why + ". " +
         (sampler.ok() ? (*sampler)->Explain(history) : sampler.error().message);
}

}  // namespace muster::tuner
