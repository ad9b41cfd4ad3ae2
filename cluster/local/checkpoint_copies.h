#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "runtime/base/result.h"
#include "runtime/wire/messages.h"

/// Copies of checkpoint folders, for clones. Where they lie and who deletes them: runtime/coordinator/checkpoints.h.
/// A copy has its name once it is whole and on the disk; one without it (`<name>.partial`) is begun anew.

namespace muster::cluster::local {

/// Makes `to` a copy of `from`, on the disk when it has its name; `partial` is where it is made, beside `to`. Done also
/// where another attempt was first. kIo.
Status CopyFolder(const std::filesystem::path& from, const std::filesystem::path& partial,
                  const std::filesystem::path& to);

/// A clone begins as if it had been stopped at the checkpoint that it starts from: makes its empty folder a copy of
/// it. Only on the gang's first node, which has rank 0. kIo, naming the folder that cannot be copied.
Status CopyStart(const wire::Prepare& prepare);

/// Of one attempt: keeps a copy at the first checkpoint at or beyond each multiple of Prepare::keep_every.
class CheckpointKeeper {
 public:
  explicit CheckpointKeeper(const wire::Prepare& prepare);
  [[nodiscard]] bool wanted() const { return every_ > 0; }
  [[nodiscard]] bool IsDue(std::int64_t step) const { return wanted() && step / every_ > level_; }
  /// There is a copy of `step`, made by somebody else.
  void NoteKept(std::int64_t step);
  [[nodiscard]] bool IsKept(std::int64_t step) const { return wanted() && step == kept_; }
  /// The folder holds the checkpoint of `step` and is not written to before this returns, which may take as long as
  /// copying takes. Whether there is a copy of it now; an error (a full disk) is logged, and the next checkpoint has
  /// its own.
  bool Keep(std::int64_t step);
  /// The line of a rank, with `kept` as it is.
  std::string Marked(std::string_view line);

 private:
  std::filesystem::path from_, to_;
  std::int64_t epoch_ = 0, every_ = 0;
  std::int64_t level_ = 0;  ///< multiples passed by the newest copy
  std::int64_t kept_ = -1;  ///< its step
};

}  // namespace muster::cluster::local
