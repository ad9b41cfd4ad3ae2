#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "registry/gates.h"
#include "runtime/config/gate_file.h"

namespace muster::config {
namespace {

/// Files that are almost right: a good one with a few bytes changed, cut, doubled or swapped for YAML's own
/// punctuation, and with words of other gates.
class Mutator {
 public:
  explicit Mutator(std::uint32_t seed) : random_(seed) {}

  std::string Mutate(std::string text) {
    static const std::vector<std::string> kWords{
        "metric", "margin", "folds",   "per_segment", "parity",  "1e999",    ".nan",  "-1",
        "null",   "[",      "{}",      "&a",          "*a",      "<<: ",     "!!int", "size: 9EiB",
        "true",   "\n  - ", "latency", "~",           "\"\\x\"", "champion", "? "};
    for (std::uint32_t i = 1 + Pick(4); i > 0 && !text.empty(); --i) {
      const std::size_t at = Pick(text.size());
      constexpr std::string_view kTokens = "{}[]\",:-0919.eE\\tfN\x00\xff \n#|>&*!%@`";
      switch (Pick(7)) {
        case 0:
          text[at] = static_cast<char>(random_());
          break;
        case 1:
          text[at] = kTokens[Pick(kTokens.size())];
          break;
        case 2:
          text.insert(at, 1, kTokens[Pick(kTokens.size())]);
          break;
        case 3:
          text.erase(at, 1 + Pick(8));
          break;
        case 4:
          text.insert(at, text.substr(Pick(text.size()), Pick(60)));
          break;
        case 5:
          text.insert(at, kWords[Pick(kWords.size())]);
          break;
        default:
          text.resize(at);
      }
    }
    return text;
  }

 private:
  std::uint32_t Pick(std::size_t below) {
    return static_cast<std::uint32_t>(random_() % std::max<std::size_t>(below, 1));
  }
  std::mt19937 random_;
};

TEST(GateFileFuzz, MutatedFiles_AreReadOrRefusedWithTheirPlace) {
  const std::vector<std::string> good{
      "gates:\n  - {metric: test/accuracy, at_least: 0.97, confidence: 0.95}\n  - parity\n"
      "  - {better_than: champion, metric: loss, margin: 0.005}\n",
      "gates:\n- metric: accuracy\n  at_least: 0.9\n  folds: 10\n- size: 4MiB\n"
      "- {fairness: {measure: four_fifths, segment: sex}}\n",
      "gates: [{calibration: {measure: ece, bins: 10}, at_most: 0.05}, "
      "{latency: {batch: 1, p99_ms: 5}}, {metric: loss, robustness: {noise: 1, drop_at_most: 1}}]"};
  constexpr int kRounds = 6'000;
  Mutator mutator(2026);
  int accepted = 0;
  for (int round = 0; round < kRounds; ++round) {
    const std::string text = mutator.Mutate(good[static_cast<std::size_t>(round) % good.size()]);
    const auto gates = ParseGateFile(text, "g");
    if (!gates.ok()) {
      ASSERT_EQ(gates.error().kind, ErrorKind::kInvalid) << text;
      ASSERT_TRUE(gates.error().message.starts_with("g:")) << gates.error().message << "\n" << text;
      continue;
    }
    ++accepted;
    // Whatever was accepted can be kept, and is what was checked.
    const auto again = wire::GateSpecsFromJson(wire::ToJson(*gates));
    ASSERT_TRUE(again.ok()) << again.error().message << "\n" << text;
    ASSERT_TRUE(registry::CheckGates(*again).ok()) << text;
  }
  EXPECT_GT(accepted, 50);  // otherwise the mutations never reach past the parser
  EXPECT_LT(accepted, kRounds);
}

}  // namespace
}  // namespace muster::config
