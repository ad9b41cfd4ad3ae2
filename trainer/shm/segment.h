#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "runtime/base/result.h"
#include "trainer/shm/descriptor.h"
#include "trainer/shm/process.h"
#include "trainer/shm/reduce.h"

/// What the ranks of one machine share: counters and slots in a memory file without a name (memfd), which the
/// kernel frees with the last rank that has it, however it dies. There is no lock in it that a dead rank
/// could hold: each counter and slot is written by its own rank only.

namespace muster::trainer::shm {

enum class Collective : std::uint8_t {
  kAllReduce,
  kBroadcast,
  kAllGather,
  kReduceScatter,
  kBarrier,
};

/// What a rank calls. All ranks must call the same.
struct Call {
  Collective collective = Collective::kBarrier;
  Element element = Element::kUInt8;
  Operation operation = Operation::kSum;  ///< where it reduces
  std::int32_t root = 0;                  ///< where it broadcasts
  std::uint64_t count = 0;                ///< elements: of the tensor, or of one rank's part
  std::uint64_t number = 0;               ///< the first collective is 1
  friend bool operator==(const Call&, const Call&) = default;
};
/// "allreduce 17 (sum of 4096 float)"
std::string Describe(const Call& call);

/// Counts a rank's steps, modulo 2^32; others sleep on it.
struct alignas(64) Counter {
  std::atomic<std::uint32_t> value = 0;
  std::atomic<std::uint32_t> sleepers = 0;
};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

enum class RankState : std::uint32_t { kPresent, kLeft, kFailed };

constexpr std::uint32_t kSlots = 8;               ///< by which a rank may be ahead of another
constexpr std::uint32_t kCallsKept = 2 * kSlots;  ///< a collective takes a step at least
constexpr std::size_t kReasonBytes = 512;

/// Written by one rank, read by all.
struct RankBlock {
  ProcessId process;
  Counter written;  ///< steps whose slot others may read
  Counter reduced;  ///< steps whose slot holds this rank's part of the result
  Counter done;     ///< steps of which this rank has read all slots
  alignas(64) std::atomic<std::uint64_t> called = 0;  ///< number of its last call
  std::array<Call, kCallsKept> calls;                 ///< by number modulo kCallsKept
  std::atomic<RankState> state = RankState::kPresent;
  std::array<char, kReasonBytes> reason;  ///< why it failed, zero-terminated
};

struct SegmentLayout {
  std::uint32_t ranks = 1;
  std::uint32_t slot_bytes = std::uint32_t{1} << 17;  ///< a multiple of 4096
  [[nodiscard]] std::size_t header_bytes() const;
  [[nodiscard]] std::size_t bytes() const {
    return header_bytes() + std::size_t{ranks} * kSlots * slot_bytes;
  }
};

/// kResource when there is not as much memory.
Result<Descriptor> CreateSegment(const SegmentLayout& layout);

class Segment {
 public:
  static Result<Segment> Map(const Descriptor& file, const SegmentLayout& layout);
  Segment(Segment&& other) noexcept
      : layout_(other.layout_), memory_(std::exchange(other.memory_, nullptr)) {}
  Segment& operator=(Segment&&) = delete;
  ~Segment();

  [[nodiscard]] const SegmentLayout& layout() const { return layout_; }
  [[nodiscard]] RankBlock& rank(std::uint32_t rank) const;
  /// Of slot_bytes.
  [[nodiscard]] std::byte* slot(std::uint32_t rank, std::uint32_t step) const;

 private:
  Segment(SegmentLayout layout, std::byte* memory) : layout_(layout), memory_(memory) {}

  SegmentLayout layout_;
  std::byte* memory_;
};

}  // namespace muster::trainer::shm
