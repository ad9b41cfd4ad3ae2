#include "tracker/transfer/pipe_body.h"

#include <exception>

namespace muster::tracker {

PipeBody::PipeBody(std::function<Status(const Sink&)> make)
    : maker_([this, make = std::move(make)] {
        try {
          End(make([this](std::string piece) { return Put(std::move(piece)); }));
        } catch (const std::exception& failure) {
          End(Internal(failure.what()));
        }
      }) {}

PipeBody::~PipeBody() {
  {
    const std::lock_guard lock(mutex_);
    gone_ = true;
    changed_.notify_all();
  }
  maker_.join();
}

Status PipeBody::Put(std::string piece) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return gone_ || pieces_.size() < kMostPieces; });
  if (gone_) return Unavailable("the client went away");
  pieces_.push_back(std::move(piece));
  begun_ = true;
  changed_.notify_all();
  if (wake_) wake_();
  return Ok();
}

void PipeBody::End(Status status) {
  const std::lock_guard lock(mutex_);
  status_ = std::move(status);
  ended_ = true;
  changed_.notify_all();
  if (wake_) wake_();
}

Status PipeBody::WaitForFirst() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return begun_ || ended_; });
  return begun_ ? Ok() : status_;
}

std::optional<std::string> PipeBody::Next() {
  const std::lock_guard lock(mutex_);
  if (pieces_.empty()) return ended_ ? std::nullopt : std::optional<std::string>("");
  std::string piece = std::move(pieces_.front());
  pieces_.pop_front();
  changed_.notify_all();
  return piece;
}

void PipeBody::OnMore(std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  wake_ = std::move(wake);
}

bool PipeBody::whole() const {
  const std::lock_guard lock(mutex_);
  return status_.ok();
}

}  // namespace muster::tracker
