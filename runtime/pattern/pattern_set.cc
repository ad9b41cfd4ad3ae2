#include "runtime/pattern/pattern_set.h"

#include <re2/re2.h>
#include <re2/set.h>

#include <algorithm>

namespace muster::pattern {
namespace {

/// Of one expression's automaton, and of the one of all together.
constexpr std::int64_t kMostMemory = 4 << 20;

RE2::Options Options() {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMostMemory);
  return options;
}

}  // namespace

struct PatternSet::Compiled {
  std::vector<std::unique_ptr<RE2>> each;
  std::unique_ptr<RE2::Set> all;  ///< null: together they are too large
};

Result<PatternSet> PatternSet::Compile(const std::vector<std::string>& expressions) {
  auto compiled = std::make_shared<Compiled>();
  compiled->all = std::make_unique<RE2::Set>(Options(), RE2::UNANCHORED);
  for (std::size_t i = 0; i < expressions.size(); ++i) {
    auto one = std::make_unique<RE2>(expressions[i], Options());
    if (!one->ok() || compiled->all->Add(expressions[i], nullptr) < 0) {
      return Invalid("at [" + std::to_string(i) + "]: " + one->error());
    }
    compiled->each.push_back(std::move(one));
  }
  if (!compiled->all->Compile()) compiled->all.reset();
  return PatternSet(std::move(compiled));
}

std::vector<int> PatternSet::Match(std::string_view line) const {
  const re2::StringPiece text(line.data(), line.size());
  std::vector<int> found;
  if (compiled_->all) {
    RE2::Set::ErrorInfo error{};
    if (compiled_->all->Match(text, &found, &error)) {
      std::ranges::sort(found);
      return found;
    }
    if (error.kind == RE2::Set::kNoError) return {};
    found.clear();  // its cache of states ran over: one by one, which needs none
  }
  for (std::size_t i = 0; i < compiled_->each.size(); ++i) {
    if (RE2::PartialMatch(text, *compiled_->each[i])) found.push_back(static_cast<int>(i));
  }
  return found;
}

}  // namespace muster::pattern
