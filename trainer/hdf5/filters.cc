#include "trainer/hdf5/filters.h"

#include <libdeflate.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "trainer/hdf5/file_bytes.h"

namespace muster::trainer::hdf5 {
namespace {

Status Inflate(std::span<const std::byte> in, std::span<std::byte> out) {
  thread_local const std::unique_ptr<libdeflate_decompressor,
                                     decltype(&libdeflate_free_decompressor)>
      decompressor(libdeflate_alloc_decompressor(), libdeflate_free_decompressor);
  if (decompressor == nullptr) return ResourceExhausted("no memory to decompress with");
  // Checks the stream's Adler-32 too.
  switch (libdeflate_zlib_decompress(decompressor.get(), in.data(), in.size(), out.data(),
                                     out.size(), nullptr)) {
    case LIBDEFLATE_SUCCESS:
      return Ok();
    case LIBDEFLATE_SHORT_OUTPUT:
    case LIBDEFLATE_INSUFFICIENT_SPACE:
      return Corrupt("its gzip data does not hold the " + std::to_string(out.size()) +
                     " bytes of a chunk");
    default:
      return Corrupt("its gzip data is damaged");
  }
}

/// in: all first bytes of the elements, then all second bytes, ...; what is no whole element is at the end.
void Unshuffle(std::span<const std::byte> in, std::span<std::byte> out, std::size_t width) {
  const std::size_t elements = in.size() / width;
  if (elements == 0) width = 0;  // of a damaged file: larger than the chunk
  for (std::size_t byte = 0; byte < width; ++byte) {
    const std::byte* from = in.data() + byte * elements;
    std::byte* to = out.data() + byte;
    for (std::size_t i = 0; i < elements; ++i) to[i * width] = from[i];
  }
  const std::size_t whole = elements * width;
  if (whole < in.size()) std::memcpy(out.data() + whole, in.data() + whole, in.size() - whole);
}

std::uint32_t SwapPairs(std::uint32_t sum) {
  return ((sum & 0x00ff00ffU) << 8) | ((sum & 0xff00ff00U) >> 8);
}

/// Writers before 1.6.3 stored the sum with its bytes in pairs swapped; the library takes both.
Status CheckFletcher32(std::span<const std::byte> bytes, const std::byte* stored_sum) {
  const auto stored = static_cast<std::uint32_t>(Little(stored_sum, 4));
  const std::uint32_t seen = Fletcher32(bytes);
  if (stored == seen || stored == SwapPairs(seen)) return Ok();
  return Corrupt("its Fletcher-32 checksum is " + std::to_string(seen) + "; " +
                 std::to_string(stored) + " is stored");
}

}  // namespace

std::string FilterName(int id) {
  switch (id) {
    case kDeflate:
      return "gzip";
    case kShuffle:
      return "shuffle";
    case kFletcher32:
      return "fletcher32";
    case 4:
      return "szip";
    case 5:
      return "nbit";
    case 6:
      return "scale-offset";
    case kLzf:
      return "lzf";
    case 32001:
      return "blosc (filter 32001)";
    case 32004:
      return "lz4 (filter 32004)";
    case 32015:
      return "zstd (filter 32015)";
    default:
      return "filter " + std::to_string(id);
  }
}

bool IsOwnFilter(int id) {
  return id == kDeflate || id == kShuffle || id == kFletcher32 || id == kLzf;
}

std::uint32_t Fletcher32(std::span<const std::byte> bytes) {
  constexpr std::size_t kBlock = 360;  // so many additions do not overflow
  std::uint32_t first = 0;
  std::uint32_t second = 0;
  std::size_t i = 0;
  const auto fold = [&] {
    first = (first & 0xffff) + (first >> 16);
    second = (second & 0xffff) + (second >> 16);
  };
  for (std::size_t words = bytes.size() / 2; words > 0;) {
    const std::size_t block = std::min(words, kBlock);
    words -= block;
    for (const std::size_t end = i + 2 * block; i < end; i += 2) {
      first += (std::to_integer<std::uint32_t>(bytes[i]) << 8) |
               std::to_integer<std::uint32_t>(bytes[i + 1]);
      second += first;
    }
    fold();
  }
  if (i < bytes.size()) {
    first += std::to_integer<std::uint32_t>(bytes[i]) << 8;
    second += first;
    fold();
  }
  fold();
  return (second << 16) | first;
}

/// LZF (liblzf): a control byte below 32 is followed by that many plus one literals; else its upper three bits
/// are a length (7: one more byte of it), its lower five and the next byte how far back to copy from.
Status InflateLzf(std::span<const std::byte> in, std::span<std::byte> out) {
  const Error damaged = Corrupt("its lzf data is damaged");
  std::size_t from = 0;
  std::size_t to = 0;
  while (from < in.size()) {
    const auto control = std::to_integer<std::size_t>(in[from++]);
    if (control < 32) {
      const std::size_t count = control + 1;
      if (count > in.size() - from || count > out.size() - to) return damaged;
      std::memcpy(out.data() + to, in.data() + from, count);
      from += count;
      to += count;
      continue;
    }
    std::size_t count = (control >> 5) + 2;
    if (control >> 5 == 7) {
      if (from == in.size()) return damaged;
      count += std::to_integer<std::size_t>(in[from++]);
    }
    if (from == in.size()) return damaged;
    const std::size_t back = ((control & 31) << 8) + std::to_integer<std::size_t>(in[from++]) + 1;
    if (back > to || count > out.size() - to) return damaged;
    for (; count > 0; --count, ++to) out[to] = out[to - back];  // it may overlap
  }
  return to == out.size() ? Ok() : Status(damaged);
}

Status UndoFilters(std::span<const Filter> filters, std::uint32_t skipped,
                   std::span<const std::byte> stored, std::span<std::byte> out,
                   std::vector<std::byte>& scratch) {
  std::vector<Filter> applied;
  std::size_t sums = 0;  // each fletcher32 adds four bytes
  for (std::size_t i = 0; i < filters.size(); ++i) {
    if (((skipped >> i) & 1U) != 0) continue;
    applied.push_back(filters[i]);
    sums += filters[i].id == kFletcher32 ? 1 : 0;
  }
  // Every step but checksums writes, to and fro between two buffers; the last one to `out`.
  std::vector<std::byte> other;
  std::span<const std::byte> now = stored;
  const auto writes = [](const Filter& filter) { return filter.id != kFletcher32; };
  auto left = std::ranges::count_if(applied, writes);
  for (auto filter = applied.rbegin(); filter != applied.rend(); ++filter) {
    if (!writes(*filter)) {
      if (now.size() < 4) return Corrupt("it is too short for its checksum");
      now = now.first(now.size() - 4);
      MUSTER_RETURN_IF_ERROR(CheckFletcher32(now, now.data() + now.size()));
      --sums;
      continue;
    }
    const std::size_t size = filter->id == kShuffle ? now.size() : out.size() + 4 * sums;
    std::span<std::byte> next = out;
    if (--left > 0 || size != out.size()) {
      std::vector<std::byte>& buffer = now.data() == scratch.data() ? other : scratch;
      buffer.resize(size);
      next = buffer;
    }
    if (filter->id == kDeflate) {
      MUSTER_RETURN_IF_ERROR(Inflate(now, next));
    } else if (filter->id == kLzf) {
      MUSTER_RETURN_IF_ERROR(InflateLzf(now, next));
    } else {
      Unshuffle(now, next, std::max<std::size_t>(1, filter->element_bytes));
    }
    now = next;
  }
  if (now.size() != out.size()) {
    return Corrupt("it holds " + std::to_string(now.size()) + " bytes; a chunk has " +
                   std::to_string(out.size()));
  }
  if (now.data() != out.data()) std::memcpy(out.data(), now.data(), out.size());
  return Ok();
}

}  // namespace muster::trainer::hdf5
