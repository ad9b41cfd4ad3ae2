#include "trainer/peers/message.h"

#include <algorithm>
#include <charconv>

namespace muster::trainer::peers {
namespace {

/// Takes the first word of `line`.
std::string_view Word(std::string_view& line) {
  const std::size_t space = line.find(' ');
  const std::string_view word = line.substr(0, space);
  line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
  return word;
}

template <typename Number>
bool ReadNumber(std::string_view& line, Number& value) {
  const std::string_view word = Word(line);
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  return error == std::errc() && end == word.data() + word.size();
}

std::string FirstWord(std::string_view text) { return std::string(Word(text)); }

bool ReadState(std::string_view line, RankState& state) {
  if (!ReadNumber(line, state.queued) || !ReadNumber(line, state.finished) ||
      !ReadNumber(line, state.step)) {
    return false;
  }
  state.phase = Word(line);
  state.waits_for = Word(line);
  return line.empty() && state.finished <= state.queued;
}

std::string Line(const char* kind, const RankState& state) {
  std::string line = kind;
  line += ' ' + std::to_string(state.queued) + ' ' + std::to_string(state.finished) + ' ' +
          std::to_string(state.step) + ' ' + FirstWord(state.phase);
  if (!state.waits_for.empty()) line += ' ' + FirstWord(state.waits_for);
  return line + '\n';
}

std::string Line(const char* kind, std::string text) {
  std::ranges::replace(text, '\n', ' ');
  return kind + (' ' + text) + '\n';
}

}  // namespace

std::string Encode(const Message& message) {
  switch (message.kind) {
    case Message::Kind::kAt:
      return Line("at", message.state);
    case Message::Kind::kBye:
      return Line("bye", message.state);
    case Message::Kind::kFail:
      return Line("fail", message.text);
    case Message::Kind::kEnd:
      break;
  }
  return Line("end", message.text);
}

Result<Message> Decode(std::string_view line) {
  const std::string whole(line);
  const std::string_view kind = Word(line);
  Message message;
  if (kind == "at" || kind == "bye") {
    message.kind = kind == "at" ? Message::Kind::kAt : Message::Kind::kBye;
    if (ReadState(line, message.state)) return message;
  } else if (kind == "fail" || kind == "end") {
    message.kind = kind == "fail" ? Message::Kind::kFail : Message::Kind::kEnd;
    message.text = line;
    return message;
  }
  return Corrupt("no message between ranks: '" + whole + "'");
}

}  // namespace muster::trainer::peers
