#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// Inputs that are almost right: one of a corpus with a few bytes changed, cut, doubled, or swapped for what the
/// format likes or another of the corpus has. The same seed gives the same inputs.
class Mutator {
 public:
  /// `corpus` is not empty.
  Mutator(std::vector<std::string> corpus, std::uint32_t seed)
      : corpus_(std::move(corpus)), random_(seed) {}

  std::string Next() {
    std::string input = corpus_[Pick(corpus_.size())];
    for (std::size_t i = 1 + Pick(5); i > 0; --i) Change(input);
    return input;
  }

 private:
  std::size_t Pick(std::size_t below) { return below == 0 ? 0 : random_() % below; }

  void Change(std::string& input) {
    static constexpr std::string_view kTokens =
        "{}[]()\"'`\\/%:;,.=<>!&?#*+-_ \t\r\n0919eExXnN\x00\x7f\xff\xc3";
    const std::size_t at = Pick(input.size() + 1);
    switch (Pick(8)) {
      case 0:
        if (at < input.size()) input[at] = static_cast<char>(random_());
        break;
      case 1:
        if (at < input.size()) input[at] = kTokens[Pick(kTokens.size())];
        break;
      case 2:
        input.insert(at, 1, kTokens[Pick(kTokens.size())]);
        break;
      case 3:
        input.erase(at, 1 + Pick(8));
        break;
      case 4:
        input.insert(at, input.substr(Pick(input.size()), Pick(40)));
        break;
      case 5: {
        const std::string& other = corpus_[Pick(corpus_.size())];
        const std::size_t from = Pick(other.size());
        input = input.substr(0, at) + other.substr(from);
        break;
      }
      case 6:
        input.insert(at, std::string(Pick(300), kTokens[Pick(kTokens.size())]));
        break;
      default:
        input.resize(at);
    }
  }

  const std::vector<std::string> corpus_;
  std::mt19937 random_;
};

}  // namespace muster
