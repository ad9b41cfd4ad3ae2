#include "trainer/torch/background_saver.h"

#include <c10/util/Exception.h>
#include <sys/resource.h>
#include <unistd.h>

#include <exception>
#include <new>
#include <utility>

#include "runtime/base/check.h"

namespace muster::trainer {

BackgroundSaver::BackgroundSaver(CheckpointStore& store)
    : store_(store), thread_([this] { Run(); }) {}

BackgroundSaver::~BackgroundSaver() {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return state_ == State::kIdle || state_ == State::kSaved; });
    state_ = State::kEnding;
  }
  changed_.notify_all();
  thread_.join();
}

void BackgroundSaver::Reserve(NamedTensors tensors, std::vector<GatheredTensor> gathered) {
  {
    const std::lock_guard lock(mutex_);
    MUSTER_CHECK(state_ == State::kIdle, "room is made before the first save");
    reserve_ = std::move(tensors);
    reserve_gathered_ = std::move(gathered);
    state_ = State::kReserving;
  }
  changed_.notify_all();
}

Status BackgroundSaver::Begin(Progress progress, std::map<std::string, std::string> metadata,
                              const NamedTensors& tensors, bool best,
                              const std::vector<GatheredTensor>& gathered) {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return state_ != State::kReserving; });
    MUSTER_CHECK(state_ == State::kIdle, "one save at a time: Wait() before the next");
  }
  MUSTER_RETURN_IF_ERROR(snapshot_.Take(tensors, gathered));
  view_.progress = std::move(progress);
  view_.metadata = std::move(metadata);
  view_.tensors = snapshot_.tensors();
  best_ = best;
  {
    const std::lock_guard lock(mutex_);
    state_ = State::kSaving;
  }
  changed_.notify_all();
  return Ok();
}

bool BackgroundSaver::busy() const {
  const std::lock_guard lock(mutex_);
  return state_ == State::kSaving || state_ == State::kSaved;
}

std::optional<BackgroundSaver::Saved> BackgroundSaver::Poll() {
  const std::lock_guard lock(mutex_);
  return TakeSaved();
}

std::optional<BackgroundSaver::Saved> BackgroundSaver::Wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return state_ != State::kSaving; });
  return TakeSaved();
}

std::optional<BackgroundSaver::Saved> BackgroundSaver::TakeSaved() {
  if (state_ != State::kSaved) return std::nullopt;
  state_ = State::kIdle;
  return Saved{
      .progress = std::move(view_.progress), .best = best_, .path = *std::exchange(path_, {})};
}

void BackgroundSaver::Run() {
  // Training comes first. Linux gives a thread a priority of its own; without it, all the same.
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 10);
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] {
      return state_ == State::kReserving || state_ == State::kSaving || state_ == State::kEnding;
    });
    if (state_ == State::kEnding) return;
    const bool saving = state_ == State::kSaving;
    lock.unlock();
    if (saving) {
      SaveOne();
    } else {
      try {
        snapshot_.Reserve(reserve_, reserve_gathered_);
      } catch (const std::exception&) {
        // The first Begin meets it again, and its caller hears of it.
      }
      reserve_.clear();
      reserve_gathered_.clear();
    }
    lock.lock();
    state_ = saving ? State::kSaved : State::kIdle;
    changed_.notify_all();
  }
}

void BackgroundSaver::SaveOne() {
  try {
    snapshot_.Wait();
    path_ = store_.Save(view_, best_);
  } catch (const c10::Error& error) {
    path_ = Internal(error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    path_ = ResourceExhausted("no memory to save the checkpoint with");
  } catch (const std::exception& error) {
    path_ = Internal(error.what());
  }
}

}  // namespace muster::trainer
