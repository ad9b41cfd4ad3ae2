#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tuner/sampler.h"

namespace muster::tuner {

/// The default: asks the sampler that suits the space, the objectives, how many run at once and how much has been
/// seen. Which one that is is a function of these alone, so a trial's sampler may change as the history grows.
///
/// A Gaussian process needs the fewest trials but grows dear: cubically with what was seen, and with every trial that
/// runs beside. It is asked until then; afterwards the search goes on from the same history with one that stays cheap.
class AutoSampler final : public Sampler {
 public:
  explicit AutoSampler(const SearchSpec& spec);
  ~AutoSampler() override;
  Result<Suggestion> Suggest(std::int64_t number, const History& history) override;
  std::string Explain(const History& history) override;

 private:
  struct Choice {
    std::string name;  ///< of a sampler
    std::string why;
  };
  [[nodiscard]] Choice Choose(const History& history) const;
  Result<Sampler*> Get(const std::string& name);

  struct Made {
    std::string name;
    std::unique_ptr<Sampler> sampler;
  };

  SearchSpec spec_;
  std::vector<Made> made_;  ///< when first picked
};

}  // namespace muster::tuner
