#include "runtime/server/log_scanner.h"

#include <algorithm>
#include <fstream>

#include "runtime/base/check.h"

namespace muster::server {
namespace {

constexpr std::int64_t kBlock = 256 << 10;
static_assert(kBlock > LogScanner::kLongestLine, "each block holds a line's beginning");

pattern::PatternSet PatternsOf(const coordinator::Sweep& sweep) {
  std::vector<std::string> expressions;
  expressions.reserve(sweep.spec.on_log.size());
  for (const wire::LogRule& rule : sweep.spec.on_log) expressions.push_back(rule.match);
  auto set = pattern::PatternSet::Compile(expressions);
  MUSTER_CHECK(set.ok(), "an accepted sweep's on_log cannot be read");
  return std::move(set).value();
}

/// Bytes [begin, end) of the file, or as many as there are.
std::string ReadBlock(std::ifstream& file, std::int64_t begin, std::int64_t end) {
  std::string block(static_cast<std::size_t>(end - begin), '\0');
  file.clear();
  file.seekg(begin);
  file.read(block.data(), static_cast<std::streamsize>(block.size()));
  block.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, file.gcount())));
  return block;
}

}  // namespace

void LogScanner::LookAtLine(const SweepLogs& sweep, AttemptLogs& attempt, std::string_view line,
                            std::vector<Match>& matches) {
  line = line.substr(0, static_cast<std::size_t>(kLongestLine));
  if (line.ends_with('\r')) line.remove_suffix(1);
  for (const int rule : sweep.patterns.Match(line)) {
    if (attempt.told.insert(rule).second) matches.push_back({rule, std::string(line)});
  }
}

std::vector<LogScanner::Match> LogScanner::Look(const coordinator::Sweep& sweep, AttemptEpoch epoch,
                                                const std::string& log,
                                                const std::filesystem::path& path, std::int64_t end,
                                                bool last) {
  if (sweep.spec.on_log.empty() || coordinator::IsFinal(sweep.phase)) return {};
  auto known = sweeps_.find(sweep.id);
  if (known == sweeps_.end()) {
    known = sweeps_.emplace(sweep.id, SweepLogs{PatternsOf(sweep), {}}).first;
  }
  SweepLogs& logs = known->second;
  AttemptLogs& attempt = logs.attempts[epoch];
  const auto [entry, is_new] = attempt.places.try_emplace(log);
  Place& place = entry->second;
  if (is_new && end > kUnacknowledged + kLongestLine) {
    place = {end - kUnacknowledged - kLongestLine, true};
  }
  std::vector<Match> matches;
  if (place.at >= end) return matches;
  std::ifstream file(path, std::ios::binary);
  while (place.at < end) {
    const std::string block = ReadBlock(file, place.at, std::min(end, place.at + kBlock));
    if (block.empty()) break;  // somebody took the file away
    std::string_view rest = block;
    for (auto newline = rest.find('\n'); newline != rest.npos; newline = rest.find('\n')) {
      if (!place.within) LookAtLine(logs, attempt, rest.substr(0, newline), matches);
      place.within = false;
      rest.remove_prefix(newline + 1);
    }
    place.at += static_cast<std::int64_t>(block.size() - rest.size());
    const bool at_end = place.at + static_cast<std::int64_t>(rest.size()) >= end;
    const bool is_long = static_cast<std::int64_t>(rest.size()) >= kLongestLine;
    if (place.within || is_long || (at_end && last && !rest.empty())) {
      if (!place.within) LookAtLine(logs, attempt, rest, matches);
      place.within = true;
      place.at += static_cast<std::int64_t>(rest.size());
    } else if (at_end) {
      break;
    }
  }
  return matches;
}

void LogScanner::Forget(const SweepId& sweep, AttemptEpoch epoch) {
  const auto known = sweeps_.find(sweep);
  if (known != sweeps_.end()) known->second.attempts.erase(epoch);
}

}  // namespace muster::server
