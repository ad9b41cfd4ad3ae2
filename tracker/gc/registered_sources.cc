#include "tracker/gc/registered_sources.h"

#include "tracker/artifact_store.h"

namespace muster::tracker {

namespace {

/// One spelling for each place: the path in this server's store, whatever address names it.
std::string PlaceOf(std::string_view uri) {
  const auto path = ArtifactStorePath(uri);
  std::string place = path.ok() ? "mlflow-artifacts:/" + *path : std::string(uri);
  while (place.ends_with('/')) place.pop_back();
  return place;
}

/// The id after "runs:/" and its like, up to the next '/'; empty for another uri.
std::string IdAfter(std::string_view uri, std::string_view scheme) {
  if (!uri.starts_with(scheme)) return "";
  uri.remove_prefix(scheme.size());
  while (uri.starts_with('/')) uri.remove_prefix(1);
  return std::string(uri.substr(0, uri.find('/')));
}

std::optional<std::string> Find(const std::map<std::string, std::string, std::less<>>& versions,
                                std::string_view key) {
  const auto found = versions.find(key);
  return found == versions.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

Result<RegisteredSources> RegisteredSources::Load(registry::ModelStore& models) {
  constexpr std::int64_t kPage = 10'000;
  RegisteredSources sources;
  registry::ModelQuery query{.filter = {}, .order_by = {}, .max_results = kPage};
  do {
    MUSTER_ASSIGN_OR_RETURN(auto page, models.SearchVersions(query));
    for (const registry::ModelVersion& version : page.items) {
      const std::string name =
          "version " + std::to_string(version.version) + " of '" + version.name + "'";
      const auto add = [&](Versions& versions, std::string key) {
        if (!key.empty()) versions.emplace(std::move(key), name);
      };
      add(sources.runs_, version.run_id);
      add(sources.runs_, IdAfter(version.source, "runs:"));
      add(sources.models_, version.model_id);
      add(sources.models_, IdAfter(version.source, "models:"));
      add(sources.places_, PlaceOf(version.source));
    }
    query.page_token = std::move(page.next_page_token);
  } while (!query.page_token.empty());
  return sources;
}

std::optional<std::string> RegisteredSources::OfRun(std::string_view run_id) const {
  return Find(runs_, run_id);
}

std::optional<std::string> RegisteredSources::OfModel(std::string_view model_id) const {
  return Find(models_, model_id);
}

std::optional<std::string> RegisteredSources::At(std::string_view artifact_uri) const {
  const std::string place = PlaceOf(artifact_uri);
  if (auto here = Find(places_, place)) return here;
  const auto below = places_.lower_bound(place + "/");
  if (below == places_.end() || !below->first.starts_with(place + "/")) return std::nullopt;
  return below->second;
}

}  // namespace muster::tracker
