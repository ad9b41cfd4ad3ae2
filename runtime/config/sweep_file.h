#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/wire/sweep_spec.h"

/// Reads a sweep file (YAML) into the spec that is submitted, and leads errors back to their place.
///
/// On top of the spec's own keys the file may say durations ("30m", "2h") and sizes ("1GiB", "512MiB"),
/// `parallel: auto`, `unlimited` retries, `do` for a log rule's reaction and one such rule without a list, a
/// gate as the bare word `parity`, a list of objectives, a fixed parameter as a scalar in `space`, and dataset paths and a working
/// directory relative to the file. A table of trials in `warm_start` ({csv: trials.csv, weight: 0.5}; tuner/trial_table.h)
/// is read here: its rows become `imported`. Scalars in `trial.command` and `trial.env`
/// are text as it stands.

namespace muster::config {

class SweepFile {
 public:
  /// `overrides` are "a.b=value" of --set, applied last. Errors are whole sentences for the user:
  /// "digits.yaml:12:3: unknown key 'trails' in budget; did you mean 'trials'?".
  static Result<SweepFile> Read(const std::filesystem::path& file,
                                const std::vector<std::string>& overrides);
  /// As Read, from text; `name` stands in messages and paths are relative to `folder`.
  static Result<SweepFile> Parse(std::string_view text, std::string_view name,
                                 const std::filesystem::path& folder,
                                 const std::vector<std::string>& overrides);

  [[nodiscard]] const wire::SweepSpec& spec() const { return spec_; }
  /// What was read from other files, a sentence each.
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }
  /// An error about the spec, the server's too ("at space.lr.float[0]: ..."), with file, line and column.
  [[nodiscard]] Error Explain(const Error& error) const;

 private:
  std::string name_;
  std::map<std::string, std::string>
      places_;  ///< path -> "file:line:column" of its key, or "--set a.b"
  wire::SweepSpec spec_;
  std::vector<std::string> notes_;
  friend class SweepFileReader;
};

/// "90", "90s", "30m", "2h", "1d" in seconds.
Result<std::int64_t> ParseDuration(std::string_view text);
/// "1024", "64KiB", "1GiB" (powers of 1024), "1GB" (of 1000) in bytes.
Result<std::int64_t> ParseSize(std::string_view text);

}  // namespace muster::config
