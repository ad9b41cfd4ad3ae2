#include "trainer/hdf5/chunk_cache.h"

namespace muster::trainer::hdf5 {

std::uint32_t ChunkCache::AddDataset() {
  const std::lock_guard lock(mutex_);
  return datasets_++;
}

ChunkBytes ChunkCache::Find(std::uint32_t dataset, std::uint64_t chunk) {
  const std::lock_guard lock(mutex_);
  const auto place = places_.find({dataset, chunk});
  if (place == places_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, place->second);
  return place->second->bytes;
}

void ChunkCache::Keep(std::uint32_t dataset, std::uint64_t chunk, ChunkBytes bytes,
                      std::size_t size) {
  const std::lock_guard lock(mutex_);
  if (places_.contains({dataset, chunk})) return;  // two threads read it at once
  entries_.push_front({{dataset, chunk}, std::move(bytes), size});
  places_[{dataset, chunk}] = entries_.begin();
  bytes_ += size;
  while (bytes_ > bytes_max_ && entries_.size() > 1) {
    bytes_ -= entries_.back().size;
    places_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

}  // namespace muster::trainer::hdf5
