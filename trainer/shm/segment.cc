#include "trainer/shm/segment.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <new>

namespace muster::trainer::shm {
namespace {

constexpr std::size_t kPage = 4096;

const char* NameOf(Collective collective) {
  constexpr std::array kNames = {"allreduce", "broadcast", "allgather", "reduce_scatter",
                                 "barrier"};
  const auto index = static_cast<std::size_t>(collective);
  return index < kNames.size() ? kNames.at(index) : "unknown";
}

}  // namespace

std::string Describe(const Call& call) {
  std::string text = std::string(NameOf(call.collective)) + " " + std::to_string(call.number);
  if (call.collective == Collective::kBarrier) return text;
  text += " (";
  const bool reduces =
      call.collective == Collective::kAllReduce || call.collective == Collective::kReduceScatter;
  if (reduces) text += std::string(NameOf(call.operation)) + " of ";
  text += std::to_string(call.count) + " " + NameOf(call.element);
  if (call.collective == Collective::kBroadcast) text += " from rank " + std::to_string(call.root);
  return text + ")";
}

std::size_t SegmentLayout::header_bytes() const {
  return (ranks * sizeof(RankBlock) + kPage - 1) / kPage * kPage;
}

Result<Descriptor> CreateSegment(const SegmentLayout& layout) {
  Descriptor file(memfd_create("muster-ranks", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file.open()) return IoError("memfd_create", errno);
  const auto bytes = static_cast<off_t>(layout.bytes());
  // posix_fallocate, not ftruncate: lack of memory is told now, not by a signal at the first touch.
  if (const int error = posix_fallocate(file.get(), 0, bytes); error != 0) {
    return ResourceExhausted(IoError(std::to_string(layout.bytes()) +
                                         " bytes of shared memory for " +
                                         std::to_string(layout.ranks) + " ranks",
                                     error)
                                 .message);
  }
  fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  MUSTER_ASSIGN_OR_RETURN(const Segment segment, Segment::Map(file, layout));
  for (std::uint32_t rank = 0; rank < layout.ranks; ++rank) new (&segment.rank(rank)) RankBlock();
  return file;
}

Result<Segment> Segment::Map(const Descriptor& file, const SegmentLayout& layout) {
  void* const memory = mmap(nullptr, layout.bytes(), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_POPULATE, file.get(), 0);
  if (memory == MAP_FAILED) return IoError("mmap of the ranks' memory", errno);
  return Segment(layout, static_cast<std::byte*>(memory));
}

Segment::~Segment() {
  if (memory_ != nullptr) munmap(memory_, layout_.bytes());
}

RankBlock& Segment::rank(std::uint32_t rank) const {
  return reinterpret_cast<RankBlock*>(memory_)[rank];
}

std::byte* Segment::slot(std::uint32_t rank, std::uint32_t step) const {
  const std::size_t index = std::size_t{rank} * kSlots + step % kSlots;
  return memory_ + layout_.header_bytes() + index * layout_.slot_bytes;
}

}  // namespace muster::trainer::shm
