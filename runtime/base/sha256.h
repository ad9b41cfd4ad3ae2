#pragma once

#include <memory>
#include <string>
#include <string_view>

/// SHA-256 (FIPS 180-4) by OpenSSL, as lower-case hex, and the HMAC with it.

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

/// HMAC with SHA-256 (RFC 2104): 32 bytes, not hex. An empty key is allowed.
std::string HmacSha256(std::string_view key, std::string_view bytes);
/// Lower-case hex of any bytes.
std::string Hex(std::string_view bytes);

}  // namespace muster
