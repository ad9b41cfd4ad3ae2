#include "runtime/coordinator/verify_search.h"

#include "runtime/base/check.h"
#include "runtime/coordinator/event_json.h"
#include "runtime/coordinator/search_spec.h"

namespace muster::coordinator {

BOOST_DESCRIBE_STRUCT(SearchVerification::Difference, (), (trial, recorded, computed, message))
BOOST_DESCRIBE_STRUCT(SearchVerification, (),
                      (trials, verified, by_people, other_version, differences))

SearchVerifier::SearchVerifier(SweepId sweep, std::int64_t fresh)
    : sweep_(std::move(sweep)), fresh_(fresh) {}

void SearchVerifier::Read(const Event& event) {
  const auto* created = std::get_if<TrialCreated>(&event.body);
  if (created != nullptr && created->sweep == sweep_) Verify(*created);
  const auto* widened = std::get_if<SpaceWidened>(&event.body);
  if (widened != nullptr && widened->sweep == sweep_) search_ = {};
  ApplyEvent(state_, event);
}

void SearchVerifier::MakeSearch(const Sweep& sweep) {
  const auto spec = SearchSpecOf(sweep.spec);
  MUSTER_CHECK(spec.ok(), "an accepted sweep's space cannot be read");
  auto search = tuner::MakeSearch(*spec);
  MUSTER_CHECK(search.ok(), "an accepted sweep's search cannot be made");
  search_ = std::move(search).value();
}

void SearchVerifier::Verify(const TrialCreated& created) {
  const Sweep& sweep = state_.sweeps.at(sweep_);
  ++result_.trials;
  if (created.search_version != tuner::kSearchVersion) {
    ++result_.other_version;
    return;
  }
  if (created.by == tuner::kEnqueued) {
    ++result_.by_people;
    return;
  }
  if (!search_.sampler || created.number % fresh_ == 0) MakeSearch(sweep);
  Result<tuner::Suggestion> again = [&]() -> Result<tuner::Suggestion> {
    if (!created.from) return search_.sampler->Suggest(created.number, sweep.history);
    const tuner::Choice choice = search_.scheduler->Choose(created.number, sweep.history);
    const std::string donor = sweep_.value + "/" + std::to_string(choice.trial);
    if (choice.kind != tuner::Choice::Kind::kClone || created.from->trial.value != donor) {
      return NotFound("the scheduler clones another trial, or none");
    }
    if (created.from->step > choice.step) {
      return NotFound("the scheduler clones it at step " + std::to_string(choice.step));
    }
    return tuner::Suggestion{choice.params, std::string(tuner::kCloned)};
  }();
  if (!again.ok()) {
    result_.differences.push_back({created.number, created.params, {}, again.error().message});
  } else if (auto params = tuner::ParamsToJson(again->params); params != created.params) {
    result_.differences.push_back({created.number, created.params, std::move(params), {}});
  } else {
    ++result_.verified;
  }
}

Result<SearchVerification> SearchVerifier::Finish() const {
  if (state_.FindSweep(sweep_) == nullptr) {
    return NotFound("there is no sweep '" + sweep_.value + "'");
  }
  return result_;
}

boost::json::value ToJson(const SearchVerification& verification) {
  return wire::ToJson(verification);
}

}  // namespace muster::coordinator
