#pragma once

#include <memory>
#include <string>
#include <string_view>

/// SHA-256 (FIPS 180-4) by OpenSSL, as lower-case hex.

namespace muster {

/// Of bytes that come in pieces. One thread at a time.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void Update(std::string_view bytes);
  /// 64 digits. Once; nothing may follow it.
  std::string Hex();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

/// Of bytes in memory.
std::string Sha256Hex(std::string_view bytes);

}  // namespace muster
