#include "tracker/mlflow/rank_headers.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "runtime/base/utf8.h"

namespace muster::tracker {

namespace {

constexpr std::string_view kRank = "X-Muster-Rank", kNode = "X-Muster-Node", kGpu = "X-Muster-Gpu";
constexpr int kGpuMost = 1023;
constexpr std::size_t kNodeMost = 255;

Error Wrong(std::string_view header, std::string_view value, const std::string& wanted) {
  return Invalid("The header " + std::string(header) + " is '" +
                 ToUtf8(std::string(value.substr(0, 2 * kNodeMost))) + "'; wanted " + wanted);
}

/// -1 when the header is not there.
Result<int> NumberOf(const http::Request& request, std::string_view header, int most) {
  const auto found = request.headers.find(header);
  if (found == request.headers.end()) return -1;
  const std::string& text = found->second;
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number >= 0 && number <= most) {
    return number;
  }
  return Wrong(header, text, "a number from 0 to " + std::to_string(most));
}

}  // namespace

Result<std::optional<RankPlace>> RankOf(const http::Request& request) {
  RankPlace place;
  MUSTER_ASSIGN_OR_RETURN(place.rank, NumberOf(request, kRank, kRankMost));
  MUSTER_ASSIGN_OR_RETURN(place.gpu, NumberOf(request, kGpu, kGpuMost));
  const auto node = request.headers.find(kNode);
  if (node != request.headers.end()) {
    place.node = node->second;
    const bool visible = std::ranges::all_of(place.node, [](char c) { return c > ' ' && c < 127; });
    if (!visible || place.node.empty() || place.node.size() > kNodeMost) {
      return Wrong(kNode, place.node,
                   "1 to " + std::to_string(kNodeMost) + " visible ASCII characters");
    }
  }
  if (place.rank >= 0) return std::optional(std::move(place));
  if (place.gpu >= 0 || !place.node.empty()) {
    return Invalid("The header " + std::string(place.gpu >= 0 ? kGpu : kNode) + " wants " +
                   std::string(kRank) + " beside it");
  }
  return std::optional<RankPlace>();
}

void GiveTo(const RankPlace& rank, Batch& batch) {
  batch.places.push_back(rank);
  const std::size_t count = batch.metrics.size();
  for (std::size_t i = 0; i < count; ++i) {
    // What rank 0 logs stands for the run.
    if (rank.rank == 0) batch.metrics.push_back(batch.metrics[i]);
    batch.metrics[i].rank = rank.rank;
  }
}

}  // namespace muster::tracker
