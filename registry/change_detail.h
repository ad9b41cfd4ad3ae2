#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/model_store.h"

/// The `detail_json` of the audit entries, the same from every adapter of the store: canonical JSON of
/// what a change wrote. Pure.

namespace muster::registry {

/// {"key": "value"}, in the order given.
boost::json::object TagsObject(const std::vector<Tag>& tags);

std::string DetailOfModel(std::string_view description, const std::vector<Tag>& tags);
std::string DetailOfText(std::string_view key, std::string_view value);
std::string DetailOfTag(std::string_view key, const std::optional<std::string>& value);
std::string DetailOfVersion(const NewVersion& version);
std::string DetailOfAlias(std::string_view alias, std::int64_t from, std::int64_t to);
/// Of an alias that somebody tried to move to `to`.
std::string DetailOfRefusal(std::string_view alias, std::int64_t to, const Error& error);
std::string DetailOfGates(const std::vector<GateVerdict>& verdicts);
/// The text too: what the chain covers cannot be changed behind it.
std::string DetailOfGateFile(const GateFile& file);

}  // namespace muster::registry
