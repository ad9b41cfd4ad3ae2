// Samplers by name.
#include <array>

#include "tuner/sampler.h"
#include "tuner/samplers/gp.h"
#include "tuner/samplers/grid.h"
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
    Named{"auto", Make<TpeSampler>},         Named{"gp", MakeChecked<GpSampler>},
    Named{"grid", MakeChecked<GridSampler>}, Named{"random", Make<RandomSampler>},
    Named{"sobol", Make<SobolSampler>},      Named{"tpe", Make<TpeSampler>},
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
