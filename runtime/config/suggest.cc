#include "runtime/config/suggest.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

namespace muster::config {

std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string WithSuggestion(const std::string& sentence, std::string_view word) {
  static constexpr std::string_view kList = "wanted one of ";
  const auto list = sentence.find(kList);
  if (list == std::string::npos) return sentence;
  std::string_view rest = std::string_view(sentence).substr(list + kList.size());
  if (const auto got = rest.find(", got "); got != std::string_view::npos) {
    word = rest.substr(got + 6);
    rest = rest.substr(0, got);
  } else if (const auto quote = sentence.find('\''); quote != std::string::npos) {
    word = std::string_view(sentence).substr(quote + 1);
    word = word.substr(0, word.find('\''));
  }
  while (!word.empty() && word.front() == '"') word.remove_prefix(1);
  while (!word.empty() && word.back() == '"') word.remove_suffix(1);
  std::string_view nearest;
  std::size_t distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  while (!rest.empty()) {
    const auto comma = rest.find(", ");
    const std::string_view candidate = rest.substr(0, comma);
    if (const std::size_t d = EditDistance(word, candidate); d < distance) {
      distance = d;
      nearest = candidate;
    }
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 2);
  }
  if (nearest.empty()) return sentence;
  return sentence + "; did you mean '" + std::string(nearest) + "'?";
}

std::string FileWords(std::string sentence) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kWords{
      {{"time_seconds", "time"},
       {"memory_bytes", "memory"},
       {"after_seconds", "after"},
       {"first_seconds", "first"},
       {"size_bytes", "size"},
       {"cooldown_seconds", "cooldown"},
       {"dedup_seconds", "dedup"},
       {"period_seconds", "period"},
       {"approval_seconds", "approval"},
       {"canary_seconds", "canary"},
       {"age_seconds", "age"},
       {"first, action", "first, do"}}};
  for (const auto& [spec, file] : kWords) {
    for (auto at = sentence.find(spec); at != std::string::npos; at = sentence.find(spec)) {
      sentence.replace(at, spec.size(), file);
    }
  }
  return sentence;
}

}  // namespace muster::config
