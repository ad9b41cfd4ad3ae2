#include "runtime/sim/disk_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/base/check.h"

namespace muster::sim {
namespace {

/// What connections of one process share of a file: the memory that they map, and their locks.
struct Shared {
  std::vector<std::unique_ptr<char[]>> memory;
  int mapped = 0;  // by so many
  // Of the file: sqlite3.h's levels, each connection's own in its File.
  int readers = 0;
  const void* reserved = nullptr;
  const void* exclusive = nullptr;  // or waiting to be
  // Of the memory.
  struct Slot {
    int readers = 0;
    const void* writer = nullptr;
  };
  std::array<Slot, SQLITE_SHM_NLOCK> slots;
};

struct Process {
  std::mutex mutex;  // guards the disk and all below
  Disk* disk = nullptr;
  std::map<std::string, Shared> files;
};

/// What SQLite keeps of an open file; it only gives the room.
struct File {
  sqlite3_file base;
  Process* process;
  std::string* name;
  Shared* shared;
  int level;
  bool mapped;
  unsigned reading, writing;  // slots
};

File& Of(sqlite3_file* file) { return *reinterpret_cast<File*>(file); }
Process& ProcessOf(sqlite3_vfs* vfs) { return *static_cast<Process*>(vfs->pAppData); }
std::unique_lock<std::mutex> Hold(const File& file) {
  return std::unique_lock(file.process->mutex);
}

int Code(Disk::Result result, int error) {
  if (result == Disk::Result::kOk) return SQLITE_OK;
  return result == Disk::Result::kFull ? SQLITE_FULL : error;
}

// --- files ------------------------------------------------------------------------------------------

void Release(File& file) {
  Shared& shared = *file.shared;
  for (unsigned slot = 0; slot < SQLITE_SHM_NLOCK; ++slot) {
    if ((file.reading >> slot & 1) != 0) --shared.slots[slot].readers;
    if ((file.writing >> slot & 1) != 0) shared.slots[slot].writer = nullptr;
  }
  file.reading = file.writing = 0;
  if (std::exchange(file.mapped, false) && --shared.mapped == 0) shared.memory.clear();
}

void Lower(File& file, int level) {
  Shared& shared = *file.shared;
  if (level < SQLITE_LOCK_RESERVED && shared.reserved == &file) shared.reserved = nullptr;
  if (level < SQLITE_LOCK_PENDING && shared.exclusive == &file) shared.exclusive = nullptr;
  if (level < SQLITE_LOCK_SHARED && file.level >= SQLITE_LOCK_SHARED) --shared.readers;
  file.level = std::min(file.level, level);
}

int Close(sqlite3_file* sqlite_file) {
  File& file = Of(sqlite_file);
  const auto lock = Hold(file);
  Release(file);
  Lower(file, SQLITE_LOCK_NONE);
  delete file.name;
  return SQLITE_OK;
}

int Read(sqlite3_file* file, void* data, int size, sqlite3_int64 offset) {
  std::int64_t got = 0;
  const auto lock = Hold(Of(file));
  const auto result =
      Of(file).process->disk->Read(*Of(file).name, offset, static_cast<char*>(data), size, got);
  if (result != Disk::Result::kOk) return SQLITE_IOERR_READ;
  if (got == size) return SQLITE_OK;
  std::memset(static_cast<char*>(data) + got, 0, static_cast<std::size_t>(size - got));
  return SQLITE_IOERR_SHORT_READ;
}

int Write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
  const std::string_view bytes(static_cast<const char*>(data), static_cast<std::size_t>(size));
  const auto lock = Hold(Of(file));
  return Code(Of(file).process->disk->Write(*Of(file).name, offset, bytes), SQLITE_IOERR_WRITE);
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  const auto lock = Hold(Of(file));
  return Code(Of(file).process->disk->Truncate(*Of(file).name, size), SQLITE_IOERR_TRUNCATE);
}

int Sync(sqlite3_file* file, int /*flags*/) {
  const auto lock = Hold(Of(file));
  return Code(Of(file).process->disk->Sync(*Of(file).name), SQLITE_IOERR_FSYNC);
}

int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  const auto lock = Hold(Of(file));
  *size = Of(file).process->disk->SizeOf(*Of(file).name);
  return Of(file).process->disk->dead() ? SQLITE_IOERR_FSTAT : SQLITE_OK;
}

int Lock(sqlite3_file* sqlite_file, int level) {
  File& file = Of(sqlite_file);
  const auto lock = Hold(file);
  Shared& shared = *file.shared;
  if (file.level >= level) return SQLITE_OK;
  const bool others = (shared.reserved != nullptr && shared.reserved != &file) ||
                      (shared.exclusive != nullptr && shared.exclusive != &file);
  if (level == SQLITE_LOCK_SHARED) {
    if (shared.exclusive != nullptr) return SQLITE_BUSY;
    ++shared.readers;
  } else if (others) {
    return SQLITE_BUSY;
  } else if (level == SQLITE_LOCK_RESERVED) {
    shared.reserved = &file;
  } else {
    shared.exclusive = &file;
    file.level = SQLITE_LOCK_PENDING;
    if (shared.readers > 1) return SQLITE_BUSY;
  }
  file.level = level;
  return SQLITE_OK;
}
int Unlock(sqlite3_file* file, int level) {
  const auto lock = Hold(Of(file));
  Lower(Of(file), level);
  return SQLITE_OK;
}
int CheckReservedLock(sqlite3_file* file, int* reserved) {
  const auto lock = Hold(Of(file));
  *reserved = Of(file).shared->reserved != nullptr ? 1 : 0;
  return SQLITE_OK;
}
int FileControl(sqlite3_file* /*file*/, int /*what*/, void* /*argument*/) {
  return SQLITE_NOTFOUND;
}
int SectorSize(sqlite3_file* /*file*/) { return 4096; }
int DeviceCharacteristics(sqlite3_file* /*file*/) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

int SharedMap(sqlite3_file* sqlite_file, int region, int size, int extend, void volatile** memory) {
  File& file = Of(sqlite_file);
  const auto lock = Hold(file);
  auto& regions = file.shared->memory;
  const auto index = static_cast<std::size_t>(region);
  if (!std::exchange(file.mapped, true)) ++file.shared->mapped;
  *memory = nullptr;
  if (index >= regions.size() && extend == 0) return SQLITE_OK;
  while (regions.size() <= index)
    regions.push_back(std::make_unique<char[]>(static_cast<std::size_t>(size)));
  *memory = regions[index].get();
  return SQLITE_OK;
}

int SharedLock(sqlite3_file* sqlite_file, int offset, int count, int flags) {
  File& file = Of(sqlite_file);
  const auto lock = Hold(file);
  auto& slots = file.shared->slots;
  const bool shared = (flags & SQLITE_SHM_SHARED) != 0;
  unsigned& held = shared ? file.reading : file.writing;
  const unsigned mask = ((1U << count) - 1) << offset;
  for (int slot = offset; slot < offset + count; ++slot) {
    const auto& [readers, writer] = slots[static_cast<std::size_t>(slot)];
    const int own = static_cast<int>(file.reading >> slot & 1);
    if ((flags & SQLITE_SHM_UNLOCK) != 0) continue;
    if ((writer != nullptr && writer != &file) || (!shared && readers > own)) return SQLITE_BUSY;
  }
  for (int slot = offset; slot < offset + count; ++slot) {
    auto& [readers, writer] = slots[static_cast<std::size_t>(slot)];
    const bool has = (held >> slot & 1) != 0;
    const bool wants = (flags & SQLITE_SHM_LOCK) != 0;
    if (has == wants) continue;
    if (shared) {
      readers += wants ? 1 : -1;
    } else {
      writer = wants ? &file : nullptr;
    }
  }
  held = (flags & SQLITE_SHM_LOCK) != 0 ? held | mask : held & ~mask;
  return SQLITE_OK;
}
void SharedBarrier(sqlite3_file* file) { const auto lock = Hold(Of(file)); }
int SharedUnmap(sqlite3_file* file, int /*remove*/) {
  const auto lock = Hold(Of(file));
  Release(Of(file));
  return SQLITE_OK;
}

// The twins of unix.c, as far as the connections of one process need them.
constexpr sqlite3_io_methods kMethods = {2,
                                         Close,
                                         Read,
                                         Write,
                                         Truncate,
                                         Sync,
                                         FileSize,
                                         Lock,
                                         Unlock,
                                         CheckReservedLock,
                                         FileControl,
                                         SectorSize,
                                         DeviceCharacteristics,
                                         SharedMap,
                                         SharedLock,
                                         SharedBarrier,
                                         SharedUnmap,
                                         nullptr,
                                         nullptr};

// --- the file system --------------------------------------------------------------------------------

int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* sqlite_file, int flags, int* out_flags) {
  File& opened = Of(sqlite_file);
  opened.base.pMethods = nullptr;
  Process& process = ProcessOf(vfs);
  const std::lock_guard lock(process.mutex);
  const std::string path = name == nullptr ? "temporary" : name;
  const bool create = (flags & SQLITE_OPEN_CREATE) != 0;
  if (process.disk->dead() || (!create && !process.disk->Exists(path))) return SQLITE_CANTOPEN;
  if (create) process.disk->Create(path);
  opened = {.base = {&kMethods},
            .process = &process,
            .name = new std::string(path),
            .shared = &process.files[path]};
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int Delete(sqlite3_vfs* vfs, const char* name, int sync_folder) {
  Process& process = ProcessOf(vfs);
  const std::lock_guard lock(process.mutex);
  if (!process.disk->Exists(name)) return SQLITE_IOERR_DELETE_NOENT;
  return Code(process.disk->Remove(name, sync_folder != 0), SQLITE_IOERR_DELETE);
}

int Access(sqlite3_vfs* vfs, const char* name, int /*flags*/, int* result) {
  const std::lock_guard lock(ProcessOf(vfs).mutex);
  *result = ProcessOf(vfs).disk->Exists(name) ? 1 : 0;
  return SQLITE_OK;
}

int FullPathname(sqlite3_vfs* /*vfs*/, const char* name, int size, char* out) {
  sqlite3_snprintf(size, out, "%s", name);
  return SQLITE_OK;
}

int Randomness(sqlite3_vfs* /*vfs*/, int size, char* out) {
  std::memset(out, 7, static_cast<std::size_t>(size));
  return size;
}
/// Who waits for a lock of another thread gives it the time to let go.
int Sleep(sqlite3_vfs* /*vfs*/, int micros) {
  std::this_thread::yield();
  return micros;
}
int CurrentTime(sqlite3_vfs* /*vfs*/, double* julian_day) {
  *julian_day = 2'460'000.5;
  return SQLITE_OK;
}
int LastError(sqlite3_vfs* /*vfs*/, int /*size*/, char* /*out*/) { return 0; }

}  // namespace

struct DiskVfs::Impl {
  std::string name;
  Process process;
  sqlite3_vfs vfs{};
};

DiskVfs::DiskVfs(Disk& disk) : impl_(std::make_unique<Impl>()) {
  static std::atomic<std::uint64_t> made = 0;
  impl_->name = "muster-sim-" + std::to_string(++made);
  sqlite3_vfs& vfs = impl_->vfs;
  vfs.iVersion = 1;
  vfs.szOsFile = sizeof(File);
  vfs.mxPathname = 128;
  vfs.zName = impl_->name.c_str();
  impl_->process.disk = &disk;
  vfs.pAppData = &impl_->process;
  vfs.xOpen = Open;
  vfs.xDelete = Delete;
  vfs.xAccess = Access;
  vfs.xFullPathname = FullPathname;
  vfs.xRandomness = Randomness;
  vfs.xSleep = Sleep;
  vfs.xCurrentTime = CurrentTime;
  vfs.xGetLastError = LastError;
  MUSTER_CHECK(sqlite3_vfs_register(&vfs, 0) == SQLITE_OK, "SQLite takes a file system");
}

DiskVfs::~DiskVfs() { sqlite3_vfs_unregister(&impl_->vfs); }

const std::string& DiskVfs::name() const { return impl_->name; }

void DiskVfs::Between(const std::function<void(Disk&)>& change) {
  const std::lock_guard lock(impl_->process.mutex);
  change(*impl_->process.disk);
}

}  // namespace muster::sim
