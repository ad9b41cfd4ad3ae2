#pragma once

#include "runtime/wire/messages.h"
#include "runtime/wire/refusal.h"

/// Which major an agent speaks to a coordinator whose version it does not know:
///   1. On a new connection, its newest.
///   2. Two Hellos without an answer: the next older, and after the oldest the newest again. (A coordinator of
///      major 1 drops what it cannot read without a word.)
///   3. Refused for its version: the newest that both speak.
///   4. The first message that comes settles it until the connection ends.
/// No clock and no socket; of one thread.

namespace muster::wire {

class Dialect {
 public:
  explicit Dialect(Majors spoken = {}) : spoken_(spoken), major_(spoken.newest) {}

  [[nodiscard]] int major() const { return major_; }
  void OnConnected();
  /// Before it is sent; it then goes out in major().
  void OnSend(const Message& message);
  /// A message of `major` was understood.
  void OnReceived(int major);
  /// False: both have no major in common.
  bool OnRefused(Majors theirs);

 private:
  Majors spoken_;
  int major_;
  bool settled_ = false;
  int unanswered_ = 0;  ///< Hellos in major_ since something came
};

/// Replaces what a peer of that major cannot read by what means most nearly the same to it: the reasons of a
/// Stop that came after major 1, of which its agents tell only kFenced from the rest.
void PutInWordsOf(int major, Message& message);

}  // namespace muster::wire
