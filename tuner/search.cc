// Samplers by name, and what a search does next.
#include "tuner/search.h"

#include <array>

#include "tuner/samplers/auto.h"
#include "tuner/samplers/cmaes.h"
#include "tuner/samplers/gp.h"
#include "tuner/samplers/grid.h"
#include "tuner/samplers/nsga2.h"
#include "tuner/samplers/random.h"
#include "tuner/samplers/sobol.h"
#include "tuner/samplers/tpe.h"

namespace muster::tuner {
namespace {

template <class T>
Result<std::unique_ptr<Sampler>> Make(const SearchSpec& spec) {
  return std::unique_ptr<Sampler>(std::make_unique<T>(spec));
}

template <class T>
Result<std::unique_ptr<Sampler>> MakeChecked(const SearchSpec& spec) {
  if (const Status status = T::Check(spec); !status.ok()) return status.error();
  return std::unique_ptr<Sampler>(std::make_unique<T>(spec));
}

struct Named {
  std::string_view name;
  Result<std::unique_ptr<Sampler>> (*make)(const SearchSpec&);
};

constexpr std::array kSamplers{
    Named{"auto", Make<AutoSampler>},    Named{"cmaes", MakeChecked<CmaesSampler>},
    Named{"gp", MakeChecked<GpSampler>}, Named{"grid", MakeChecked<GridSampler>},
    Named{"nsga2", Make<Nsga2Sampler>},  Named{"random", Make<RandomSampler>},
    Named{"sobol", Make<SobolSampler>},  Named{"tpe", Make<TpeSampler>},
};

/// Constraints between parameters are kept whatever the sampler makes of them.
class AllowedSampler : public Sampler {
 public:
  AllowedSampler(std::unique_ptr<Sampler> sampler, std::shared_ptr<const Space> space)
      : sampler_(std::move(sampler)), space_(std::move(space)) {}
  Result<Suggestion> Suggest(std::int64_t number, const History& history) override {
    auto suggestion = sampler_->Suggest(number, history);
    if (!suggestion.ok() || space_->Check(suggestion->params).ok()) return suggestion;
    const Point repaired = space_->Repair(space_->Encode(suggestion->params));
    return Suggestion{space_->Decode(repaired), suggestion->by + ": repaired"};
  }
  std::string Explain(const History& history) override { return sampler_->Explain(history); }

 private:
  std::unique_ptr<Sampler> sampler_;
  std::shared_ptr<const Space> space_;
};

}  // namespace

Result<std::unique_ptr<Sampler>> MakeSampler(const SearchSpec& spec) {
  std::string known;
  for (const Named& sampler : kSamplers) {
    if (sampler.name == spec.sampler) {
      MUSTER_ASSIGN_OR_RETURN(std::unique_ptr<Sampler> made, sampler.make(spec));
      if (spec.space->constraints().empty()) return made;
      return std::unique_ptr<Sampler>(new AllowedSampler(std::move(made), spec.space));
    }
    known.append(known.empty() ? "" : ", ").append(sampler.name);
  }
  return Invalid("unknown sampler '" + spec.sampler + "'; wanted one of " + known);
}

Result<Search> MakeSearch(const SearchSpec& spec) {
  auto sampler = MakeSampler(spec);
  if (!sampler.ok()) return sampler.error().With("at sampler");
  auto scheduler = MakeScheduler(spec);
  if (scheduler.ok()) return Search{std::move(sampler).value(), std::move(scheduler).value()};
  const std::string& message = scheduler.error().message;
  if (!message.starts_with("at ")) return scheduler.error().With("at stop");
  return Error{scheduler.error().kind, "at stop." + message.substr(3)};
}

Result<Asked> Search::Next(const History& history, const Params* enqueued) {
  const std::int64_t number = history.size();
  const Choice choice = scheduler->Choose(number, history);
  const Asked::Origin from{choice.trial, choice.step};
  switch (choice.kind) {
    case Choice::Kind::kNothing:
      return Unavailable("no trial before a running one has reported or ended; ask again then");
    case Choice::Kind::kResume:
      return Asked{choice.trial, history.At(choice.trial).params, "resumed", from};
    case Choice::Kind::kClone:
      return Asked{number, choice.params, std::string(kCloned), from};
    case Choice::Kind::kSample:
      break;
  }
  if (enqueued != nullptr) return Asked{number, *enqueued, std::string(kEnqueued), {}};
  MUSTER_ASSIGN_OR_RETURN(Suggestion suggestion, sampler->Suggest(number, history));
  return Asked{number, std::move(suggestion.params), std::move(suggestion.by), {}};
}

std::optional<Asked> Search::NextPaused(const History& history) {
  const Choice choice = scheduler->Choose(kNoNewTrial, history);
  if (choice.kind != Choice::Kind::kResume) return std::nullopt;
  return Asked{choice.trial, history.At(choice.trial).params, "resumed",
               Asked::Origin{choice.trial, choice.step}};
}

}  // namespace muster::tuner
