#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

/// Chunks as they were before compression, those used last, up to a number of bytes; one for all files of a
/// dataset. Safe from any thread.

namespace muster::trainer::hdf5 {

using ChunkBytes = std::shared_ptr<const std::byte[]>;

class ChunkCache {
 public:
  explicit ChunkCache(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  /// A number of its own for each dataset that keeps chunks here.
  std::uint32_t AddDataset();
  /// Null when it is not here.
  ChunkBytes Find(std::uint32_t dataset, std::uint64_t chunk);
  /// The newest chunk stays even when it alone is larger than the bound.
  void Keep(std::uint32_t dataset, std::uint64_t chunk, ChunkBytes bytes, std::size_t size);

 private:
  struct Key {
    std::uint32_t dataset = 0;
    std::uint64_t chunk = 0;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const {
      return (key.chunk * 0x9e3779b97f4a7c15ULL) ^ key.dataset;
    }
  };
  struct Entry {
    Key key;
    ChunkBytes bytes;
    std::size_t size = 0;
  };

  const std::size_t bytes_max_;
  std::mutex mutex_;  ///< guards what follows
  std::uint32_t datasets_ = 0;
  std::size_t bytes_ = 0;
  std::list<Entry> entries_;  ///< the one used last in front
  std::unordered_map<Key, std::list<Entry>::iterator, Hash> places_;
};

}  // namespace muster::trainer::hdf5
