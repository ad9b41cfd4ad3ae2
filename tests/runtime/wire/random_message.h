#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/base/random.h"
#include "runtime/wire/messages_json.h"

/// Random messages, and whether two are the same, through the description that the codec itself uses: a member
/// that is added to a message is covered without a change here.

namespace muster::wire {

class RandomMessage {
 public:
  explicit RandomMessage(std::uint64_t seed) : random_(seed) {}

  Message OfType(std::size_t type) {
    return boost::mp11::mp_with_index<std::variant_size_v<Message>>(type, [&](auto index) {
      std::variant_alternative_t<index, Message> message;
      Fill(message);
      Tame(message);
      return Message(std::in_place_index<index>, std::move(message));
    });
  }
  std::int64_t Number() { return static_cast<std::int64_t>(random_.Next() >> random_.Below(64)); }

 private:
  template <typename T>
  void Fill(T& value) {
    if constexpr (std::same_as<T, bool>) {
      value = random_.Chance(0.5);
    } else if constexpr (std::is_enum_v<T>) {
      std::vector<T> all;
      boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>(
          [&](auto enumerator) { all.push_back(enumerator.value); });
      value = all[random_.Below(all.size())];
    } else if constexpr (std::integral<T>) {
      value = static_cast<T>(Number());
    } else if constexpr (std::floating_point<T>) {
      const T special[] = {NAN, INFINITY, -INFINITY, -0.0, 5e-324, 1.0 / 7};
      value = random_.Chance(0.3) ? special[random_.Below(std::size(special))]
                                  : random_.Uniform(-1e9, 1e9);
    } else if constexpr (std::same_as<T, std::string>) {
      const char* texts[] = {"",
                             "a",
                             "0.out",
                             "line\nand \"quote\" \\",
                             "\xC3\xA9\xF0\x9F\x8C\xB5",
                             "[1]",
                             "muster refused"};
      value = texts[random_.Below(std::size(texts))];
      if (random_.Chance(0.1)) value.append(random_.Below(300), 'x');
    } else if constexpr (internal::IsId<T>::value) {
      Fill(value.value);
    } else if constexpr (internal::IsOptional<T>::value) {
      if (random_.Chance(0.5)) Fill(value.emplace());
    } else if constexpr (internal::IsVector<T>::value) {
      value.resize(random_.Below(4));
      for (auto& element : value) Fill(element);
    } else if constexpr (internal::IsStringMap<T>::value) {
      for (std::uint64_t left = random_.Below(4); left > 0; --left) {
        std::string key;
        Fill(key);
        Fill(value[key]);
      }
    } else {
      boost::mp11::mp_for_each<internal::MembersOf<T>>(
          [&](auto member) { Fill(value.*member.pointer); });
    }
  }

  // What CheckMessage asks for.
  void Tame(Hello& hello) {
    hello.node.value.resize(std::min<std::size_t>(hello.node.value.size(), 128));
    hello.slots = static_cast<int>(random_.Below(65'536));
    hello.gpus = static_cast<int>(random_.Below(65'536));
  }
  void Tame(Heartbeat& heartbeat) {
    heartbeat.node.value.resize(std::min<std::size_t>(heartbeat.node.value.size(), 128));
  }
  void Tame(Prepared& prepared) { prepared.port = static_cast<int>(random_.Below(65'536)); }
  void Tame(Records& records) {
    records.begin = std::abs(records.begin);
    records.end = std::max(records.begin, records.end);
  }
  void Tame(LogChunk& chunk) {
    chunk.rank = static_cast<int>(random_.Below(1'000'000));
    chunk.stream = random_.Chance(0.5) ? "out" : "err";
    chunk.begin = std::abs(chunk.begin);
  }
  void Tame(Prepare& prepare) {
    prepare.start_secret.resize(std::min<std::size_t>(prepare.start_secret.size(), 256));
  }
  void Tame(Go& go) {
    for (GangPart& part : go.parts) {
      part.port = static_cast<int>(random_.Below(65'536));
      part.ranks = 1 + static_cast<int>(random_.Below(65'535));
    }
  }
  void Tame(Exited& exited) {
    if (!exited.used) return;
    const auto tame = [](std::int64_t& amount) { amount = std::abs(amount) >> 12; };
    tame(exited.used->cpu_ms);
    tame(exited.used->memory_bytes);
    if (exited.used->gpu_ms) tame(*exited.used->gpu_ms);
  }
  template <typename T>
  void Tame(T& /*any value may travel*/) {}

  Random random_;
};

template <typename T>
bool Same(const T& a, const T& b) {
  if constexpr (std::floating_point<T>) {
    return (std::isnan(a) && std::isnan(b)) || a == b;
  } else if constexpr (internal::IsVector<T>::value || internal::IsStringMap<T>::value) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const auto& one, const auto& other) {
                        if constexpr (internal::IsVector<T>::value)
                          return Same(one, other);
                        else
                          return one.first == other.first && Same(one.second, other.second);
                      });
  } else if constexpr (internal::IsOptional<T>::value) {
    return a.has_value() == b.has_value() && (!a || Same(*a, *b));
  } else if constexpr (requires { typename internal::MembersOf<T>; } && std::is_class_v<T> &&
                       !internal::IsId<T>::value && !std::same_as<T, std::string>) {
    bool same = true;
    boost::mp11::mp_for_each<internal::MembersOf<T>>(
        [&](auto member) { same = same && Same(a.*member.pointer, b.*member.pointer); });
    return same;
  } else {
    return a == b;
  }
}

inline bool Same(const Message& a, const Message& b) {
  return a.index() == b.index() &&
         boost::mp11::mp_with_index<std::variant_size_v<Message>>(
             a.index(), [&](auto index) { return Same(std::get<index>(a), std::get<index>(b)); });
}

}  // namespace muster::wire
