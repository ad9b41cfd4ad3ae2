// Samplers by name.
#include <array>

#include "tuner/sampler.h"
#include "tuner/samplers/random.h"
#include "tuner/samplers/tpe.h"

namespace muster::tuner {
namespace {

template <class T>
std::unique_ptr<Sampler> Make(const SearchSpec& spec) {
  return std::make_unique<T>(spec);
}

struct Named {
  std::string_view name;
  std::unique_ptr<Sampler> (*make)(const SearchSpec&);
};

constexpr std::array kSamplers{
    Named{"auto", Make<TpeSampler>},
    Named{"random", Make<RandomSampler>},
    Named{"tpe", Make<TpeSampler>},
};

}  // namespace

Result<std::unique_ptr<Sampler>> MakeSampler(const SearchSpec& spec) {
  std::string known;
  for (const Named& sampler : kSamplers) {
    if (sampler.name == spec.sampler) return sampler.make(spec);
    known.append(known.empty() ? "" : ", ").append(sampler.name);
  }
  return Invalid("unknown sampler '" + spec.sampler + "'; wanted one of " + known);
}

}  // namespace muster::tuner
