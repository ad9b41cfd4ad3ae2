#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>

#include "trainer/rank_progress.h"

/// Which rank of a gang is lost, and what is said about it. No socket, no clock.

namespace muster::trainer::peers {

using Duration = std::chrono::milliseconds;

struct Peer {
  std::int64_t rank = 0;
  std::string host;
  std::int64_t pid = 0;
  friend bool operator==(const Peer&, const Peer&) = default;
};

/// What one rank knows of another, or of itself (then `silent` is 0).
struct PeerView {
  Peer who;
  RankState state;       ///< the last it told
  Duration silent{};     ///< since it told anything
  Duration unchanged{};  ///< since `state` was another
  bool left = false;     ///< it said goodbye: it ends in order, and joins no further collective
};

struct PeerLimits {
  /// A peer that tells nothing for so long is stopped, or its machine is lost; its watch speaks five times a second
  /// whatever the rank computes.
  Duration silence = std::chrono::seconds(10);
  /// A rank that speaks, but whose collectives, phase and step stay the same while another waits for it. A slow
  /// rank is no dead rank: saving or validating on one rank alone may take minutes.
  Duration behind = std::chrono::minutes(10);
};

/// "rank 1 (host a, pid 123)".
std::string NameOf(const Peer& peer);
/// "rank 0 waited for allreduce 17 (phase reduce)", "rank 0 was in phase load".
std::string DoingOf(const Peer& peer, const RankState& state);

/// `how` as in "its connection closed".
std::string GoneSentence(const Peer& gone, const std::string& how, const PeerView& witness);
std::string FailedSentence(const Peer& failed, const std::string& why);

/// The first peer that is silent for too long, or has left others waiting; `witness` says it.
std::optional<std::string> JudgeWords(const PeerView& witness, std::span<const PeerView> peers,
                                      const PeerLimits& limits);

/// Of all ranks: who has not joined the collective that others wait for, for too long; or that a collective which
/// all have joined does not end.
std::optional<std::string> JudgeProgress(std::span<const PeerView> ranks, const PeerLimits& limits);

}  // namespace muster::trainer::peers
