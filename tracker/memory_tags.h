#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tracker/run_store.h"

/// Tags and params as the memory store keeps them: sorted by key, each key once.

namespace muster::tracker {

inline void SetTag(std::vector<Tag>& tags, std::string_view key, std::string_view value) {
  const auto at = std::ranges::lower_bound(tags, key, {}, &Tag::key);
  if (at != tags.end() && at->key == key) {
    at->value = value;
  } else {
    tags.insert(at, {std::string(key), std::string(value)});
  }
}

inline std::optional<std::string> ValueOf(const std::vector<Tag>& tags, std::string_view key) {
  const auto at = std::ranges::find(tags, key, &Tag::key);
  return at == tags.end() ? std::nullopt : std::optional(at->value);
}

/// False when there is no such tag.
inline bool EraseTag(std::vector<Tag>& tags, std::string_view key) {
  return std::erase_if(tags, [&](const Tag& tag) { return tag.key == key; }) > 0;
}

inline std::vector<Tag> Sorted(const std::vector<Tag>& tags) {
  std::vector<Tag> sorted;
  for (const Tag& tag : tags) SetTag(sorted, tag.key, tag.value);
  return sorted;
}

}  // namespace muster::tracker
