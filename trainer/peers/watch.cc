#include "trainer/peers/watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "runtime/base/log.h"
#include "trainer/peers/link.h"
#include "trainer/peers/message.h"
#include "trainer/peers/rendezvous.h"

namespace muster::trainer::peers {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kTell{200};
/// A pause of this process, or of its machine, longer than this is its own and no peer's silence.
constexpr milliseconds kTickMax = 2 * kTell;
constexpr milliseconds kLastWords{500};

/// A thread that no signal handler runs on.
template <typename Function>
std::thread QuietThread(Function function) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(function));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

class TcpWatch final : public Watch {
 public:
  TcpWatch(WatchOptions options, Meeting meeting)
      : options_(std::move(options)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    self_.who = meeting.peers[static_cast<std::size_t>(options_.rank.rank)];
    for (auto& [rank, socket] : meeting.links) {
      views_.push_back({.who = meeting.peers[static_cast<std::size_t>(rank)], .state = {}});
      links_.emplace_back(std::move(socket));
    }
    thread_ = QuietThread([this] { Run(); });
  }
  ~TcpWatch() override { End({.kind = Message::Kind::kBye, .state = {}, .text = {}}); }
  TcpWatch(const TcpWatch&) = delete;
  TcpWatch& operator=(const TcpWatch&) = delete;

  void Fail(const std::string& why) override {
    End({.kind = Message::Kind::kFail, .state = {}, .text = why});
  }

 private:
  [[nodiscard]] bool hub() const { return options_.rank.rank == 0; }
  void End(Message last_words);
  void Run();
  void Poll(milliseconds timeout);
  void Read(std::size_t peer);
  void Handle(std::size_t peer, const Message& message);
  void Tick(milliseconds passed);
  void Lose(const std::string& sentence);
  void SayAndClose(const Message& message);
  void See(PeerView& view, RankState state) {
    if (state == view.state) return;
    view.state = std::move(state);
    view.unchanged = {};
  }

  WatchOptions options_;
  Socket wake_;
  std::mutex mutex_;    ///< guards last_words_
  Message last_words_;  ///< to be said when wake_ is set
  PeerView self_;       ///< from here on: the thread's
  std::vector<PeerView> views_;
  std::vector<Link> links_;  ///< as views_
  bool over_ = false;
  std::thread thread_;
};

void TcpWatch::End(Message last_words) {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    last_words_ = std::move(last_words);
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_.fd(), &one, sizeof(one));
  thread_.join();
}

void TcpWatch::Run() {
  for (auto told = steady_clock::now() - kTell;;) {
    const auto waited = std::chrono::duration_cast<milliseconds>(steady_clock::now() - told);
    // Before every tick: what has come is heard before anybody is called silent.
    Poll(std::max(milliseconds(0), kTell - waited));
    if (over_) return;
    const auto passed = std::chrono::duration_cast<milliseconds>(steady_clock::now() - told);
    if (passed < kTell) continue;
    told += passed;
    Tick(std::min(kTickMax, passed));
    if (over_) return;
  }
}

void TcpWatch::Poll(milliseconds timeout) {
  std::vector<pollfd> waited;
  waited.reserve(links_.size() + 1);
  for (const Link& link : links_) {
    // A closed one has a negative descriptor, which poll passes over.
    waited.push_back({link.fd(), static_cast<short>(POLLIN | (link.idle() ? 0 : POLLOUT)), 0});
  }
  waited.push_back({wake_.fd(), POLLIN, 0});
  if (::poll(waited.data(), waited.size(), static_cast<int>(timeout.count())) <= 0) return;
  for (std::size_t peer = 0; peer < links_.size() && !over_; ++peer) {
    if ((waited[peer].revents & POLLOUT) != 0) links_[peer].SendRest();
    if ((waited[peer].revents & ~POLLOUT) != 0) Read(peer);
  }
  if (over_ || waited.back().revents == 0) return;
  const std::lock_guard lock(mutex_);
  last_words_.state = options_.state();
  if (hub() && last_words_.kind == Message::Kind::kFail) {
    last_words_ = {.kind = Message::Kind::kEnd,
                   .state = {},
                   .text = FailedSentence(self_.who, last_words_.text)};
  }
  SayAndClose(last_words_);
}

void TcpWatch::Read(std::size_t peer) {
  std::string ended;
  for (const std::string& line : links_[peer].Read(ended)) {
    const auto message = Decode(line);
    if (message.ok()) {
      Handle(peer, *message);
    } else {
      LogWarning("peers", NameOf(views_[peer].who) + ": " + message.error().message);
    }
    if (over_) return;
  }
  if (ended.empty()) return;
  links_[peer].Close();
  if (views_[peer].left) return;
  See(self_, options_.state());
  Lose(GoneSentence(views_[peer].who, ended, self_));
}

void TcpWatch::Handle(std::size_t peer, const Message& message) {
  PeerView& view = views_[peer];
  view.silent = {};
  switch (message.kind) {
    case Message::Kind::kBye:
      view.left = true;
      [[fallthrough]];
    case Message::Kind::kAt:
      return See(view, message.state);
    case Message::Kind::kFail:
      return Lose(FailedSentence(view.who, message.text));
    case Message::Kind::kEnd:
      return Lose(message.text);
  }
}

void TcpWatch::Tick(milliseconds passed) {
  See(self_, options_.state());
  self_.unchanged += passed;
  const std::string line = Encode({.kind = Message::Kind::kAt, .state = self_.state, .text = {}});
  for (std::size_t peer = 0; peer < links_.size(); ++peer) {
    views_[peer].silent += passed;
    views_[peer].unchanged += passed;
    // To one that does not read, old words first.
    if (links_[peer].idle()) links_[peer].Send(line);
  }
  auto verdict = JudgeWords(self_, views_, options_.limits);
  if (!verdict && hub()) {
    std::vector<PeerView> all{self_};
    all.insert(all.end(), views_.begin(), views_.end());
    verdict = JudgeProgress(all, options_.limits);
  }
  if (verdict) Lose(*verdict);
}

void TcpWatch::Lose(const std::string& sentence) {
  SayAndClose(hub() ? Message{.kind = Message::Kind::kEnd, .state = {}, .text = sentence}
                    : Message{.kind = Message::Kind::kBye, .state = self_.state, .text = {}});
  options_.on_loss(sentence);
}

void TcpWatch::SayAndClose(const Message& message) {
  over_ = true;
  const std::string line = Encode(message);
  for (Link& link : links_) link.Send(line);
  const auto deadline = steady_clock::now() + kLastWords;
  while (!std::ranges::all_of(links_, [](const Link& link) {
    return !link.open() || link.idle();
  }) && steady_clock::now() < deadline) {
    std::this_thread::sleep_for(milliseconds(5));
    for (Link& link : links_) link.SendRest();
  }
  for (Link& link : links_) {
    if (!link.open()) continue;
    // Unread words would make the close a reset, which may overtake the last ones.
    std::string ended;
    (void)link.Read(ended);
    link.Close();
  }
}

}  // namespace

void EndProcess(const std::string& sentence) {
  // One write and no stream: a thread that hangs may hold stderr's lock.
  const std::string line = "lost rank: " + sentence + "\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
  std::_Exit(1);
}

Result<std::unique_ptr<Watch>> Watch::Start(WatchOptions options) {
  MUSTER_ASSIGN_OR_RETURN(Meeting meeting, Meet(options));
  return std::unique_ptr<Watch>(std::make_unique<TcpWatch>(std::move(options), std::move(meeting)));
}

}  // namespace muster::trainer::peers
