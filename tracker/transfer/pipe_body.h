#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "runtime/base/result.h"
#include "runtime/wire/http.h"

namespace muster::tracker {

/// A body that a thread of its own makes while the connection takes it: at most `kMostPieces` wait, then the
/// maker waits. When the client goes away the maker's next piece is refused, and the destructor waits for it to
/// end; whatever the maker uses must outlive the server.
class PipeBody final : public http::BodySource {
 public:
  using Sink = std::function<Status(std::string)>;
  static constexpr std::size_t kMostPieces = 4;

  /// `make` hands pieces, none of them empty, to the sink and answers how it went.
  explicit PipeBody(std::function<Status(const Sink&)> make);
  ~PipeBody() override;
  PipeBody(const PipeBody&) = delete;
  PipeBody& operator=(const PipeBody&) = delete;

  /// Waits for the first piece, or the end: the maker's error, when it came before any piece.
  Status WaitForFirst();

  std::optional<std::string> Next() override;
  void OnMore(std::function<void()> wake) override;
  [[nodiscard]] bool whole() const override;

 private:
  Status Put(std::string piece);
  void End(Status status);

  mutable std::mutex mutex_;  // guards what follows; held while wake_ runs
  std::condition_variable changed_;
  std::deque<std::string> pieces_;
  std::function<void()> wake_;
  bool begun_ = false, ended_ = false, gone_ = false;
  Status status_;
  std::thread maker_;  // last: it uses what is above
};

}  // namespace muster::tracker
