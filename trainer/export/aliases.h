#pragma once

#include <cstddef>
#include <vector>

/// Which traced values share memory, and which of them have gone stale.
///
/// An operator that changes its input ("add_") becomes a function of the old value that gives a new
/// one. Views of the same memory that were made before keep the old contents in the exported graph,
/// although the program would see the new ones: reading them later must be refused.
/// Private to trainer/export.

namespace muster::exporting {

class Aliases {
 public:
  /// `value` has memory of its own. `state`: a parameter's, which an export may not change.
  void Fresh(std::size_t value, bool state = false);
  /// `value` looks at the memory of `base`.
  void View(std::size_t value, std::size_t base);
  /// `value` is `base` after a write through `base`: every other view of that memory is stale now.
  void Written(std::size_t value, std::size_t base);
  /// Something that is not computed now has read this memory; its contents must not change any
  /// more.
  void Capture(std::size_t value);

  [[nodiscard]] bool Stale(std::size_t value) const;
  [[nodiscard]] bool IsState(std::size_t value) const;
  [[nodiscard]] bool Captured(std::size_t value) const;

 private:
  struct Memory {
    int version = 0;
    bool state = false;
    bool captured = false;
  };
  struct Look {
    std::size_t memory = 0;
    int version = 0;
    bool tensor = false;
  };
  Look& At(std::size_t value);
  [[nodiscard]] const Look* Find(std::size_t value) const;
  std::vector<Memory> memories_;
  std::vector<Look> looks_;  ///< by value
};

}  // namespace muster::exporting
