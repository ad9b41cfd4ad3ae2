#include "trainer/hdf5/chunk_index.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "trainer/hdf5/file_bytes.h"

namespace muster::trainer::hdf5 {
namespace {

constexpr std::uint64_t kNone = ~std::uint64_t{0};
constexpr std::uint64_t kLayoutMessage = 0x08;
constexpr std::uint64_t kContinuationMessage = 0x10;
constexpr std::uint64_t kSharedFlag = 0x02;
constexpr std::uint64_t kHeaderBytesMax = std::uint64_t{1} << 24;
constexpr int kBlocksMax = 1024;  ///< of one object header

class IndexReader {
 public:
  IndexReader(int fd, std::uint64_t file_bytes, const ChunkGrid& grid, const std::string& name)
      : fd_(fd), file_bytes_(file_bytes), grid_(grid), name_(name) {}

  /// The address of the B-tree in the layout message of version 3; nothing when there is no such message.
  Result<std::optional<std::uint64_t>> FindTree(std::uint64_t object_header);
  Status ReadNode(std::uint64_t address, int level_max);

  std::vector<Chunk> chunks;
  std::uint64_t found = 0;

 private:
  struct Block {
    std::uint64_t address = 0;
    std::uint64_t bytes = 0;
  };
  [[nodiscard]] Error Damaged(std::uint64_t offset, const std::string& what) const {
    return Corrupt(name_ + ": at byte " + std::to_string(offset) + ": " + what);
  }
  Status ReadBlock(std::uint64_t address, std::uint64_t size, std::vector<std::byte>& bytes) const;
  /// The messages of one block of the header; continuations are added to `blocks`.
  Status Messages(std::span<const std::byte> bytes, std::uint64_t address, bool second_version,
                  bool with_order, std::vector<Block>& blocks);
  Status Layout(std::span<const std::byte> message, std::uint64_t offset);
  Status AddChunk(const std::byte* key, std::uint64_t address, std::uint64_t offset);

  int fd_;
  std::uint64_t file_bytes_;
  const ChunkGrid& grid_;
  const std::string& name_;
  std::uint64_t tree_bytes_ = 0;  ///< of the nodes read so far
  std::optional<std::uint64_t> tree_;
};

Status IndexReader::ReadBlock(std::uint64_t address, std::uint64_t size,
                              std::vector<std::byte>& bytes) const {
  if (address > file_bytes_ || size > file_bytes_ - address) {
    return Damaged(address,
                   "its metadata ends behind the file's " + std::to_string(file_bytes_) + " bytes");
  }
  bytes.resize(size);
  return ReadAt(fd_, bytes.data(), size, address, name_);
}

Status IndexReader::Layout(std::span<const std::byte> message, std::uint64_t offset) {
  constexpr std::uint64_t kChunked = 2;
  if (message.size() < 3) return Damaged(offset, "a layout message is too short");
  if (Little(&message[0], 1) != 3 || Little(&message[1], 1) != kChunked) return Ok();
  const std::uint64_t dimensions = Little(&message[2], 1);
  if (dimensions != grid_.shape.size() + 1 || message.size() < 11 + 4 * dimensions) {
    return Damaged(offset, "a layout message has " + std::to_string(dimensions) +
                               " dimensions; wanted " + std::to_string(grid_.shape.size() + 1));
  }
  for (std::size_t d = 0; d < grid_.chunk.size(); ++d) {
    if (Little(&message[11 + 4 * d], 4) != grid_.chunk[d]) {
      return Damaged(offset, "a layout message does not match its dataset");
    }
  }
  tree_ = Little(&message[3], 8);
  return Ok();
}

Status IndexReader::Messages(std::span<const std::byte> bytes, std::uint64_t address,
                             bool second_version, bool with_order, std::vector<Block>& blocks) {
  const std::size_t head = second_version ? (with_order ? 6 : 4) : 8;
  for (std::size_t at = 0; at + head <= bytes.size();) {
    const std::uint64_t type = Little(&bytes[at], second_version ? 1 : 2);
    const std::uint64_t size = Little(&bytes[at + (second_version ? 1 : 2)], 2);
    const std::uint64_t flags = Little(&bytes[at + (second_version ? 3 : 4)], 1);
    const std::uint64_t offset = address + at;
    at += head;
    if (size > bytes.size() - at) return Damaged(offset, "a header message is too long");
    const auto message = bytes.subspan(at, size);
    at += size;
    if (type == kContinuationMessage && size >= 16) {
      blocks.push_back({Little(&message[0], 8), Little(&message[8], 8)});
    } else if (type == kLayoutMessage && (flags & kSharedFlag) == 0) {
      MUSTER_RETURN_IF_ERROR(Layout(message, offset));
    }
  }
  return Ok();
}

Result<std::optional<std::uint64_t>> IndexReader::FindTree(std::uint64_t object_header) {
  constexpr std::size_t kChecksum = 4;
  std::vector<std::byte> bytes;
  MUSTER_RETURN_IF_ERROR(ReadBlock(object_header, 16, bytes));
  const bool second_version = std::memcmp(bytes.data(), "OHDR", 4) == 0;
  bool with_order = false;
  std::vector<Block> blocks;
  if (second_version) {
    const std::uint64_t flags = Little(&bytes[5], 1);
    with_order = (flags & 0x04) != 0;
    const std::uint64_t before = 6 + ((flags & 0x20) != 0 ? 16 : 0) + ((flags & 0x10) != 0 ? 4 : 0);
    const std::size_t width = std::size_t{1} << (flags & 3);
    MUSTER_RETURN_IF_ERROR(ReadBlock(object_header + before, width, bytes));
    blocks.push_back({object_header + before + width, Little(bytes.data(), width)});
  } else {
    if (Little(bytes.data(), 1) != 1) return Damaged(object_header, "no object header is there");
    blocks.push_back({object_header + 16, Little(&bytes[8], 4)});
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    Block block = blocks[i];
    if (i == kBlocksMax || block.bytes > kHeaderBytesMax) {
      return Damaged(block.address, "the object header is too long");
    }
    MUSTER_RETURN_IF_ERROR(ReadBlock(block.address, block.bytes, bytes));
    std::span<const std::byte> messages(bytes);
    if (second_version && i > 0) {  // a signature before them, a checksum behind them
      if (bytes.size() < 4 + kChecksum || std::memcmp(bytes.data(), "OCHK", 4) != 0) {
        return Damaged(block.address, "no continuation of the object header is there");
      }
      messages = messages.subspan(4, bytes.size() - 4 - kChecksum);
      block.address += 4;
    }
    MUSTER_RETURN_IF_ERROR(Messages(messages, block.address, second_version, with_order, blocks));
  }
  return tree_;
}

Status IndexReader::AddChunk(const std::byte* key, std::uint64_t address, std::uint64_t offset) {
  Chunk chunk{address, static_cast<std::uint32_t>(Little(key, 4)),
              static_cast<std::uint32_t>(Little(key + 4, 4))};
  std::uint64_t number = 0;
  for (std::size_t d = 0; d < grid_.shape.size(); ++d) {
    const std::uint64_t corner = Little(key + 8 + 8 * d, 8);
    if (corner % grid_.chunk[d] != 0) {
      return Damaged(offset, "a chunk begins between two chunks");
    }
    // Left of a dataset that was made smaller: no row of ours.
    if (corner >= grid_.shape[d]) return Ok();
    number = number * grid_.along(d) + corner / grid_.chunk[d];
  }
  if (chunks[number].address != kNone) return Damaged(offset, "a chunk is there twice");
  if (chunk.bytes == 0 || address > file_bytes_ || chunk.bytes > file_bytes_ - address) {
    return Damaged(offset, "a chunk of " + std::to_string(chunk.bytes) + " bytes at byte " +
                               std::to_string(address) + " is not within the file's " +
                               std::to_string(file_bytes_) + " bytes");
  }
  chunks[number] = chunk;
  ++found;
  return Ok();
}

Status IndexReader::ReadNode(std::uint64_t address, int level_max) {
  std::vector<std::byte> bytes;
  MUSTER_RETURN_IF_ERROR(ReadBlock(address, 24, bytes));
  const int level = static_cast<int>(Little(&bytes[5], 1));
  const std::uint64_t entries = Little(&bytes[6], 2);
  if (std::memcmp(bytes.data(), "TREE", 4) != 0 || Little(&bytes[4], 1) != 1) {
    return Damaged(address, "no node of a chunk index is there");
  }
  if (level > level_max || entries == 0)
    return Damaged(address, "a node of the chunk index is damaged");
  const std::size_t key_bytes = 8 + 8 * (grid_.shape.size() + 1);
  const std::size_t step = key_bytes + 8;
  tree_bytes_ += 24 + entries * step;
  if (tree_bytes_ > file_bytes_) return Damaged(address, "the chunk index goes round in circles");
  MUSTER_RETURN_IF_ERROR(ReadBlock(address + 24, entries * step, bytes));
  for (std::size_t i = 0; i < entries; ++i) {
    const std::byte* key = &bytes[i * step];
    const std::uint64_t child = Little(key + key_bytes, 8);
    MUSTER_RETURN_IF_ERROR(level == 0 ? AddChunk(key, child, address + 24 + i * step)
                                      : ReadNode(child, level - 1));
  }
  return Ok();
}

}  // namespace

std::uint64_t ChunkGrid::chunks() const {
  std::uint64_t count = 1;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (__builtin_mul_overflow(count, along(d), &count)) return ~std::uint64_t{0};
  }
  return count;
}

std::uint64_t ChunkGrid::chunk_bytes() const {
  std::uint64_t bytes = element_bytes;
  for (const std::uint64_t extent : chunk) bytes *= extent;
  return bytes;
}

Result<std::optional<std::vector<Chunk>>> ReadChunkIndex(int fd, std::uint64_t file_bytes,
                                                         std::uint64_t object_header,
                                                         const ChunkGrid& grid,
                                                         const std::string& name) {
  constexpr int kLevelsMax = 32;
  IndexReader reader(fd, file_bytes, grid, name);
  MUSTER_ASSIGN_OR_RETURN(const auto tree, reader.FindTree(object_header));
  if (!tree || *tree == kNone) return std::optional<std::vector<Chunk>>();
  reader.chunks.resize(grid.chunks(), Chunk{.address = kNone});
  MUSTER_RETURN_IF_ERROR(reader.ReadNode(*tree, kLevelsMax));
  if (reader.found != reader.chunks.size()) return std::optional<std::vector<Chunk>>();
  return std::optional(std::move(reader.chunks));
}

}  // namespace muster::trainer::hdf5
