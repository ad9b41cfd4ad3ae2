#include "tracker/mlflow/own_search.h"

#include <string_view>

namespace muster::tracker {

namespace {

/// Takes in "<list>" or "<list>.<key>"; false for another list's.
bool TakeKey(std::string_view item, std::string_view list, RunParts::Keys& keys, bool& all) {
  if (!item.starts_with(list)) return false;
  item.remove_prefix(list.size());
  if (item.empty()) {
    all = true;
    return true;
  }
  if (!item.starts_with('.') || item.size() == 1) return false;
  keys->emplace_back(item.substr(1));
  return true;
}

Result<RunParts> PartsOf(const std::vector<std::string>& select) {
  RunParts parts{.metrics = {{}}, .params = {{}}, .tags = {{}}, .links = false};
  bool metrics = false, params = false, tags = false;
  for (const std::string& item : select) {
    if (item == "links") {
      parts.links = true;
    } else if (!TakeKey(item, "metrics", parts.metrics, metrics) &&
               !TakeKey(item, "params", parts.params, params) &&
               !TakeKey(item, "tags", parts.tags, tags)) {
      return Invalid(
          "Invalid value \"" + item +
          "\" for parameter 'muster.select' supplied: wanted metrics, params, tags, one of "
          "them with a key (metrics.loss), or links");
    }
  }
  if (metrics) parts.metrics.reset();
  if (params) parts.params.reset();
  if (tags) parts.tags.reset();
  return parts;
}

}  // namespace

Status ReadOwnSearch(Fields& fields, SearchQuery& query) {
  if (!fields.Has("muster")) return Ok();
  query.own_language = true;
  Fields own = fields.Object("muster");
  query.count = own.Bool("count", false);
  const bool selects = own.Has("select");
  const auto select = own.Texts("select");
  fields.Take(own);
  MUSTER_RETURN_IF_ERROR(fields.status());
  if (!selects) return Ok();
  MUSTER_ASSIGN_OR_RETURN(query.parts, PartsOf(select));
  return Ok();
}

}  // namespace muster::tracker
