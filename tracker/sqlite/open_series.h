#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/sqlite/database.h"
#include "tracker/series/point.h"
#include "tracker/series/summary.h"
#include "tracker/sqlite/rows.h"
#include "tracker/sqlite/series_points.h"

/// What the writer remembers of the series that it wrote last, so that a point costs no look-up. The writer's
/// thread only.

namespace muster::tracker {

struct OpenSeries {
  std::int64_t id = 0;
  Summary summary;  ///< as its row has it
  Tail tail;
  std::optional<Point> sealed;  ///< the last point of the last chunk
  std::size_t last_chunk = 0;   ///< how many points that has
};

class OpenSeriesCache {
 public:
  explicit OpenSeriesCache(std::size_t most_bytes = 64 << 20) : most_bytes_(most_bytes) {}

  /// Read or made as need be. Valid until the next Get.
  Result<OpenSeries*> Get(sqlite::Database& db, const RunRow& run, const SeriesKey& key);
  /// Call after changing what Get answered.
  void Keep(const OpenSeries& changed);
  /// Runs what calls Get and Keep; when it fails, its changes are undone, and all is forgotten. Must be the
  /// last that a write does.
  template <typename Body>
  Status Change(Body body) {
    Status status = body();
    if (!status.ok()) Clear();
    return status;
  }
  /// For when its row is removed.
  void Forget(std::int64_t run, const SeriesKey& key);
  /// Forgets all: for when the database went back behind what is remembered, or was changed elsewhere.
  void Clear();

 private:
  struct Entry {
    std::string name;  // the run's row, the rank and the key
    OpenSeries series;
    std::size_t bytes = 0;
  };
  static std::size_t BytesOf(const Entry& entry);

  const std::size_t most_bytes_;
  std::size_t bytes_ = 0;
  std::list<Entry> entries_;  // the last used in front
  std::unordered_map<std::string_view, std::list<Entry>::iterator> places_;  // views of names
};

}  // namespace muster::tracker
