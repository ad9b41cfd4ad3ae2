#include "runtime/wire/refusal.h"

#include <array>
#include <charconv>

namespace muster::wire {
namespace {

constexpr std::string_view kPrefix = "muster refused ";
constexpr std::size_t kSentenceBytesMax = 500;
/// In the order of RefusalCode.
constexpr std::array<std::string_view, 5> kCodes{"version", "key", "role", "replaced", "other"};

/// Takes the part before the next space off `text`.
std::string_view TakeWord(std::string_view& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

std::optional<int> TakeNumber(std::string_view& text) {
  const std::string_view word = TakeWord(text);
  int number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return number;
}

}  // namespace

std::string EncodeRefusal(const Refusal& refusal) {
  return std::string(kPrefix) + std::string(kCodes[static_cast<std::size_t>(refusal.code)]) + " " +
         std::to_string(refusal.majors.oldest) + " " + std::to_string(refusal.majors.newest) + " " +
         refusal.sentence.substr(0, kSentenceBytesMax);
}

std::optional<Refusal> DecodeRefusal(std::string_view bytes) {
  if (!bytes.starts_with(kPrefix)) return std::nullopt;
  bytes.remove_prefix(kPrefix.size());
  const std::string_view code = TakeWord(bytes);
  const auto oldest = TakeNumber(bytes);
  const auto newest = TakeNumber(bytes);
  if (!oldest || !newest) return std::nullopt;
  Refusal refusal{.majors = {*oldest, *newest},
                  .sentence = std::string(bytes.substr(0, kSentenceBytesMax))};
  for (std::size_t i = 0; i < kCodes.size(); ++i) {
    if (kCodes[i] == code) refusal.code = static_cast<RefusalCode>(i);
  }
  return refusal;
}

}  // namespace muster::wire
