#include "tracker/sqlite/open_series.h"

#include <utility>

#include "tracker/sqlite/chunks.h"
#include "tracker/sqlite/series_summary.h"

namespace muster::tracker {

namespace {

using sqlite::Database;
using sqlite::Statement;

template <typename T>
std::string_view Bytes(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

Result<OpenSeries> ReadOrAdd(Database& db, const RunRow& run, const SeriesKey& key) {
  OpenSeries series;
  {
    Statement row = db.Prepare("SELECT id, " + std::string(kSummaryColumns) +
                               " FROM series WHERE run = ? AND key = ? AND rank = ?");
    row.BindAll(run.row, key.key, key.rank);
    MUSTER_ASSIGN_OR_RETURN(const bool found, row.Step());
    if (found) {
      series.id = row.Int(0);
      series.summary = TakeSummary(row, 1);
    }
  }
  if (series.id == 0) {
    MUSTER_RETURN_IF_ERROR(
        db.Prepare("INSERT INTO series(run, experiment, key, rank) VALUES(?, ?, ?, ?)")
            .BindAll(run.row, run.experiment, key.key, key.rank)
            .Run());
    series.id = db.last_insert_id();
    return series;
  }
  MUSTER_ASSIGN_OR_RETURN(series.tail, ReadTail(db, series.id));
  MUSTER_ASSIGN_OR_RETURN(const auto chunk, LastChunk(db, series.id));
  if (chunk) {
    series.sealed = chunk->points.back();
    series.last_chunk = chunk->points.size();
  }
  return series;
}

std::string NameOf(std::int64_t run, const SeriesKey& key) {
  std::string name;
  ((name += Bytes(run)) += Bytes(key.rank)) += key.key;
  return name;
}

}  // namespace

std::size_t OpenSeriesCache::BytesOf(const Entry& entry) {
  return 2 * sizeof(Entry) + entry.name.capacity() +
         sizeof(Point) * entry.series.tail.points.capacity();
}

Result<OpenSeries*> OpenSeriesCache::Get(Database& db, const RunRow& run, const SeriesKey& key) {
  std::string name = NameOf(run.row, key);
  if (const auto known = places_.find(name); known != places_.end()) {
    entries_.splice(entries_.begin(), entries_, known->second);
    return &entries_.front().series;
  }
  MUSTER_ASSIGN_OR_RETURN(OpenSeries series, ReadOrAdd(db, run, key));
  entries_.push_front({std::move(name), std::move(series)});
  places_.emplace(entries_.front().name, entries_.begin());
  Keep(entries_.front().series);
  return &entries_.front().series;
}

void OpenSeriesCache::Keep(const OpenSeries& changed) {
  Entry& entry = entries_.front();
  MUSTER_CHECK(&entry.series == &changed, "Keep is for what the last Get answered");
  bytes_ += BytesOf(entry) - std::exchange(entry.bytes, BytesOf(entry));
  while (bytes_ > most_bytes_ && entries_.size() > 1) {
    bytes_ -= entries_.back().bytes;
    places_.erase(entries_.back().name);
    entries_.pop_back();
  }
}

void OpenSeriesCache::Forget(std::int64_t run, const SeriesKey& key) {
  const auto known = places_.find(NameOf(run, key));
  if (known == places_.end()) return;
  const auto entry = known->second;
  bytes_ -= entry->bytes;
  places_.erase(known);
  entries_.erase(entry);
}

void OpenSeriesCache::Clear() {
  places_.clear();
  entries_.clear();
  bytes_ = 0;
}

}  // namespace muster::tracker
