#include <array>
#include <charconv>
#include <utility>

#include "runtime/config/sweep_file.h"

namespace muster::config {
namespace {

template <std::size_t N>
Result<std::int64_t> WithUnit(
    std::string_view text, std::string_view what,
    const std::array<std::pair<std::string_view, std::int64_t>, N>& units) {
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (failure == std::errc() && number >= 0) {
    for (const auto& [name, factor] : units) {
      if (unit == name && number <= INT64_MAX / factor) return number * factor;
    }
  }
  std::string wanted;
  for (const auto& [name, factor] : units) {
    if (!name.empty()) wanted.append(wanted.empty() ? "1" : ", 1").append(name);
  }
  return Invalid("'" + std::string(text) + "' is not a " + std::string(what) + "; wanted like " +
                 wanted);
}

}  // namespace

Result<std::int64_t> ParseDuration(std::string_view text) {
  return WithUnit(text, "duration",
                  std::array<std::pair<std::string_view, std::int64_t>, 5>{
                      {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}}});
}

Result<std::int64_t> ParseSize(std::string_view text) {
  return WithUnit(text, "size",
                  std::array<std::pair<std::string_view, std::int64_t>, 9>{{{"", 1},
                                                                            {"KiB", 1LL << 10},
                                                                            {"MiB", 1LL << 20},
                                                                            {"GiB", 1LL << 30},
                                                                            {"TiB", 1LL << 40},
                                                                            {"KB", 1000},
                                                                            {"MB", 1000'000},
                                                                            {"GB", 1000'000'000},
                                                                            {"B", 1}}});
}

}  // namespace muster::config
