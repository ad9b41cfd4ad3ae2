#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "registry/model_store.h"
#include "tracker/artifact_store.h"
#include "tracker/run_store.h"

/// MLflow's JSON of each entity: what its server prints for the protobuf message of that name. Empty lists and
/// unset fields are left out, 64-bit integers are numbers, NaN and infinities are strings.

namespace muster::tracker {

boost::json::object ToMlflow(const Experiment& experiment);
boost::json::object ToMlflow(const Metric& metric);
boost::json::object ToMlflow(const LoggedModel& model);
boost::json::object ToMlflow(const registry::RegisteredModel& model);
/// Searches and latest_versions leave the aliases out.
boost::json::object ToMlflow(const registry::ModelVersion& version, bool with_aliases);

/// A folder's files; `path` stands before theirs.
boost::json::array ToMlflow(const std::vector<ArtifactInfo>& files, const std::string& path);

/// Puts `array` under `key` unless it is empty.
void PutList(boost::json::object& object, std::string_view key, boost::json::array array);
/// Puts `text` under `key` unless it is empty.
void PutText(boost::json::object& object, std::string_view key, std::string_view text);

template <typename T>
boost::json::object PageToMlflow(std::string_view key, const Page<T>& page) {
  boost::json::array items;
  items.reserve(page.items.size());
  for (const T& item : page.items) items.push_back(ToMlflow(item));
  boost::json::object object;
  PutList(object, key, std::move(items));
  PutText(object, "next_page_token", page.next_page_token);
  return object;
}

}  // namespace muster::tracker
