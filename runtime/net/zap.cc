#include "runtime/net/zap.h"

#include <array>
#include <iterator>
#include <utility>
#include <vector>

namespace muster::net {

void KeyTable::Set(AllowList list) {
  const std::lock_guard lock(mutex_);
  keys_ = {std::make_move_iterator(list.begin()), std::make_move_iterator(list.end())};
}

std::optional<AllowedKey> KeyTable::Find(const std::string& public_key) const {
  const std::lock_guard lock(mutex_);
  const auto found = keys_.find(public_key);
  if (found == keys_.end()) return std::nullopt;
  return found->second;
}

Status ZapHandler::Open(void* context) {
  socket_.reset(zmq_socket(context, ZMQ_REP));
  if (!socket_) return ZmqError("zmq_socket");
  MUSTER_RETURN_IF_ERROR(SetOption(socket_.get(), ZMQ_LINGER, 0));
  if (zmq_bind(socket_.get(), "inproc://zeromq.zap.01") != 0) return ZmqError("bind ZAP");
  return Ok();
}

std::optional<std::string> ZapHandler::Answer(const KeyTable& keys) {
  // version, request id, domain, address, identity, mechanism, client key (32 bytes)
  std::vector<std::string> request;
  for (bool more = true; more;) {
    Frame frame;
    if (!frame.Receive(socket_.get())) return std::nullopt;
    request.emplace_back(frame.text());
    more = frame.more();
  }
  bool known = false;
  std::string key = "none";
  if (request.size() == 7 && request[5] == "CURVE" && request[6].size() == 32) {
    std::array<char, 41> text{};
    zmq_z85_encode(text.data(), reinterpret_cast<const std::uint8_t*>(request[6].data()), 32);
    key = text.data();
    known = keys.Find(key).has_value();
  }
  // 300, not 400: at a permanent refusal libzmq's client never tries again, so that a node whose key is
  // allowed later would have to be restarted.
  const std::array<std::string, 6> answer{"1.0",
                                          request.size() > 1 ? request[1] : "",
                                          known ? "200" : "300",
                                          known ? "OK" : "unknown key",
                                          known ? key : "",  // becomes each message's User-Id
                                          ""};
  for (std::size_t i = 0; i < answer.size(); ++i) {
    zmq_send(socket_.get(), answer[i].data(), answer[i].size(),
             ZMQ_DONTWAIT | (i + 1 < answer.size() ? ZMQ_SNDMORE : 0));
  }
  return known ? std::nullopt : std::optional(key);
}

}  // namespace muster::net
