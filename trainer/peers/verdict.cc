#include "trainer/peers/verdict.h"

#include <algorithm>

namespace muster::trainer::peers {
namespace {

std::string Collective(const RankState& state) {
  return state.waits_for + " " + std::to_string(state.finished + 1);
}

bool Waits(const RankState& state) { return state.queued > state.finished; }

std::string Seconds(Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(duration).count()) + " s";
}

std::string Rank(const Peer& peer) { return "rank " + std::to_string(peer.rank); }

}  // namespace

std::string NameOf(const Peer& peer) {
  return Rank(peer) + " (host " + peer.host + ", pid " + std::to_string(peer.pid) + ")";
}

std::string DoingOf(const Peer& peer, const RankState& state) {
  if (!Waits(state)) return Rank(peer) + " was in phase " + state.phase;
  return Rank(peer) + " waited for " + Collective(state) + " (phase " + state.phase + ")";
}

std::string GoneSentence(const Peer& gone, const std::string& how, const PeerView& witness) {
  return NameOf(gone) + " is gone: " + how + " while " + DoingOf(witness.who, witness.state);
}

std::string FailedSentence(const Peer& failed, const std::string& why) {
  return NameOf(failed) + " failed: " + why;
}

std::optional<std::string> JudgeWords(const PeerView& witness, std::span<const PeerView> peers,
                                      const PeerLimits& limits) {
  for (const PeerView& peer : peers) {
    if (!peer.left && peer.silent > limits.silence) {
      return NameOf(peer.who) + " hangs: nothing was heard of it for " + Seconds(peer.silent) +
             ", while " + DoingOf(witness.who, witness.state);
    }
    // Its goodbye has told its last count, so what others wait for beyond it never comes.
    const bool in_vain = Waits(witness.state) && witness.state.finished >= peer.state.queued;
    if (peer.left && in_vain && witness.unchanged > limits.silence) {
      return NameOf(peer.who) + " has ended after " + std::to_string(peer.state.queued) +
             " collectives, while " + DoingOf(witness.who, witness.state);
    }
  }
  return std::nullopt;
}

std::optional<std::string> JudgeProgress(std::span<const PeerView> ranks,
                                         const PeerLimits& limits) {
  const auto stuck = [&](const PeerView& view) { return view.unchanged > limits.behind; };
  // Of those that wait for too long, the one for the earliest collective: later ones wait for it as well.
  const PeerView* waiting = nullptr;
  for (const PeerView& view : ranks) {
    if (!Waits(view.state) || !stuck(view)) continue;
    if (waiting == nullptr || view.state.finished < waiting->state.finished) waiting = &view;
  }
  if (waiting == nullptr) return std::nullopt;
  const std::uint64_t wanted = waiting->state.finished + 1;
  const std::string since = Rank(waiting->who) + " waits for " + Collective(waiting->state) +
                            " (phase " + waiting->state.phase + ") for " +
                            Seconds(waiting->unchanged);
  const PeerView* behind = nullptr;
  std::string others;
  for (const PeerView& view : ranks) {
    if (view.state.queued >= wanted) continue;
    if (!stuck(view)) return std::nullopt;  // it moves: slow, not hung
    if (behind == nullptr || view.state.queued < behind->state.queued) behind = &view;
  }
  if (behind == nullptr) {
    return since + ", though every rank has joined it: the network between them does not move";
  }
  for (const PeerView& view : ranks) {
    if (&view == behind || view.state.queued >= wanted) continue;
    others += (others.empty() ? "; so is rank " : " and rank ") + std::to_string(view.who.rank);
  }
  return NameOf(behind->who) + " hangs: it is in phase " + behind->state.phase + " of step " +
         std::to_string(behind->state.step) + " after " + std::to_string(behind->state.queued) +
         " collectives, while " + since + others;
}

}  // namespace muster::trainer::peers
