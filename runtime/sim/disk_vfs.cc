#include "runtime/sim/disk_vfs.h"

#include <sqlite3.h>

#include <atomic>
#include <cstring>
#include <vector>

#include "runtime/base/check.h"

namespace muster::sim {
namespace {

/// What SQLite keeps of an open file; it only gives the room.
struct File {
  sqlite3_file base;
  Disk* disk;
  std::string* name;
  std::vector<std::unique_ptr<char[]>>* shared;
};

File& Of(sqlite3_file* file) { return *reinterpret_cast<File*>(file); }
Disk& DiskOf(sqlite3_vfs* vfs) { return *static_cast<Disk*>(vfs->pAppData); }

int Code(Disk::Result result, int error) {
  if (result == Disk::Result::kOk) return SQLITE_OK;
  return result == Disk::Result::kFull ? SQLITE_FULL : error;
}

// --- files ------------------------------------------------------------------------------------------

int Close(sqlite3_file* file) {
  delete Of(file).name;
  delete Of(file).shared;
  return SQLITE_OK;
}

int Read(sqlite3_file* file, void* data, int size, sqlite3_int64 offset) {
  std::int64_t got = 0;
  const auto result =
      Of(file).disk->Read(*Of(file).name, offset, static_cast<char*>(data), size, got);
  if (result != Disk::Result::kOk) return SQLITE_IOERR_READ;
  if (got == size) return SQLITE_OK;
  std::memset(static_cast<char*>(data) + got, 0, static_cast<std::size_t>(size - got));
  return SQLITE_IOERR_SHORT_READ;
}

int Write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
  const std::string_view bytes(static_cast<const char*>(data), static_cast<std::size_t>(size));
  return Code(Of(file).disk->Write(*Of(file).name, offset, bytes), SQLITE_IOERR_WRITE);
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  return Code(Of(file).disk->Truncate(*Of(file).name, size), SQLITE_IOERR_TRUNCATE);
}

int Sync(sqlite3_file* file, int /*flags*/) {
  return Code(Of(file).disk->Sync(*Of(file).name), SQLITE_IOERR_FSYNC);
}

int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  *size = Of(file).disk->SizeOf(*Of(file).name);
  return Of(file).disk->dead() ? SQLITE_IOERR_FSTAT : SQLITE_OK;
}

int Lock(sqlite3_file* /*file*/, int /*level*/) { return SQLITE_OK; }
int CheckReservedLock(sqlite3_file* /*file*/, int* reserved) {
  *reserved = 0;
  return SQLITE_OK;
}
int FileControl(sqlite3_file* /*file*/, int /*what*/, void* /*argument*/) {
  return SQLITE_NOTFOUND;
}
int SectorSize(sqlite3_file* /*file*/) { return 4096; }
int DeviceCharacteristics(sqlite3_file* /*file*/) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

int SharedMap(sqlite3_file* file, int region, int size, int extend, void volatile** memory) {
  auto& shared = *Of(file).shared;
  const auto index = static_cast<std::size_t>(region);
  *memory = nullptr;
  if (index >= shared.size() && extend == 0) return SQLITE_OK;
  while (shared.size() <= index)
    shared.push_back(std::make_unique<char[]>(static_cast<std::size_t>(size)));
  *memory = shared[index].get();
  return SQLITE_OK;
}
int SharedLock(sqlite3_file* /*file*/, int /*offset*/, int /*count*/, int /*flags*/) {
  return SQLITE_OK;
}
void SharedBarrier(sqlite3_file* /*file*/) {}
int SharedUnmap(sqlite3_file* file, int remove) {
  if (remove != 0) Of(file).shared->clear();
  return SQLITE_OK;
}

// The twins of unix.c, as far as a single connection needs them.
constexpr sqlite3_io_methods kMethods = {2,
                                         Close,
                                         Read,
                                         Write,
                                         Truncate,
                                         Sync,
                                         FileSize,
                                         Lock,
                                         Lock,
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

int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  File& opened = Of(file);
  opened.base.pMethods = nullptr;
  Disk& disk = DiskOf(vfs);
  const std::string path = name == nullptr ? "temporary" : name;
  const bool create = (flags & SQLITE_OPEN_CREATE) != 0;
  if (disk.dead() || (!create && !disk.Exists(path))) return SQLITE_CANTOPEN;
  opened.disk = &disk;
  if (create) disk.Create(path);
  opened.name = new std::string(path);
  opened.shared = new std::vector<std::unique_ptr<char[]>>();
  opened.base.pMethods = &kMethods;
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int Delete(sqlite3_vfs* vfs, const char* name, int sync_folder) {
  if (!DiskOf(vfs).Exists(name)) return SQLITE_IOERR_DELETE_NOENT;
  return Code(DiskOf(vfs).Remove(name, sync_folder != 0), SQLITE_IOERR_DELETE);
}

int Access(sqlite3_vfs* vfs, const char* name, int /*flags*/, int* result) {
  *result = DiskOf(vfs).Exists(name) ? 1 : 0;
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
int Sleep(sqlite3_vfs* /*vfs*/, int micros) { return micros; }
int CurrentTime(sqlite3_vfs* /*vfs*/, double* julian_day) {
  *julian_day = 2'460'000.5;
  return SQLITE_OK;
}
int LastError(sqlite3_vfs* /*vfs*/, int /*size*/, char* /*out*/) { return 0; }

}  // namespace

struct DiskVfs::Impl {
  std::string name;
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
  vfs.pAppData = &disk;
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

}  // namespace muster::sim
