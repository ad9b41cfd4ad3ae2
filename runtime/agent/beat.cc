#include "runtime/agent/beat.h"

#include <algorithm>
#include <charconv>

namespace muster::agent {
namespace {

constexpr std::size_t kPhaseMost = 32;

/// Takes the next word off the text.
std::string_view Word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

std::optional<std::int64_t> Number(std::string_view word) {
  std::int64_t number = 0;
  const auto parsed = std::from_chars(word.data(), word.data() + word.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != word.data() + word.size()) return std::nullopt;
  return number;
}

}  // namespace

std::optional<Beat> ParseBeat(std::string_view line) {
  const std::size_t end = line.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  line = line.substr(0, end);
  const auto count = Number(Word(line));
  if (!count) return std::nullopt;
  Beat beat{.count = *count};
  beat.step = Number(Word(line)).value_or(*count);
  beat.total = Number(Word(line)).value_or(0);
  beat.phase = std::string(Word(line).substr(0, kPhaseMost));
  // It comes from a program and stands in messages.
  std::ranges::replace_if(beat.phase, [](char c) { return c <= ' ' || c > '~'; }, '?');
  return beat;
}

std::string TextOf(const Beat& beat) {
  std::string text = "step " + std::to_string(beat.step);
  if (beat.total > 0) text += " of " + std::to_string(beat.total);
  return beat.phase.empty() ? text : text + " (" + beat.phase + ")";
}

}  // namespace muster::agent
