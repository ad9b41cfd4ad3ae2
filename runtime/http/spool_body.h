#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/optional/optional.hpp>
#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/sha256.h"

namespace muster::http::internal {

/// A body type of Beast: the bytes go to a file as they come and through SHA-256 on the way, so that whoever
/// keeps the file need not read it again. One thread.
struct SpoolBody {
  class value_type {
   public:
    value_type() = default;
    value_type(const value_type&) = delete;
    value_type& operator=(const value_type&) = delete;
    ~value_type() { Close(); }

    /// Makes the file, which must not be there.
    boost::system::error_code Create(const std::string& path) {
      fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
      return fd_ < 0 ? Failed() : boost::system::error_code();
    }
    boost::system::error_code Append(std::string_view bytes) {
      hash_.Update(bytes);
      while (!bytes.empty()) {
        const ssize_t count = ::write(fd_, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Failed();
        bytes.remove_prefix(static_cast<std::size_t>(count));
        written_ += count;
      }
      // The disk begins while the client still sends: whoever syncs the file then waits for little.
      if (written_ - started_ >= kWriteback) {
        ::sync_file_range(fd_, started_, written_ - started_, SYNC_FILE_RANGE_WRITE);
        started_ = written_;
      }
      return {};
    }
    void Close() {
      if (fd_ >= 0) ::close(fd_);
      fd_ = -1;
    }
    /// Once, after the last Append.
    std::string Sha256Hex() { return hash_.Hex(); }

   private:
    static constexpr off_t kWriteback = 8 << 20;

    static boost::system::error_code Failed() { return {errno, boost::system::system_category()}; }

    int fd_ = -1;
    off_t written_ = 0;
    off_t started_ = 0;  ///< up to here the disk has been told to write
    Sha256 hash_;
  };

  class reader {
   public:
    template <bool is_request, typename Fields>
    reader(boost::beast::http::header<is_request, Fields>&, value_type& body) : body_(body) {}
    void init(const boost::optional<std::uint64_t>&, boost::system::error_code& failed) {
      failed = {};
    }
    template <typename Buffers>
    std::size_t put(const Buffers& buffers, boost::system::error_code& failed) {
      failed = {};
      std::size_t taken = 0;
      for (const auto buffer : boost::beast::buffers_range_ref(buffers)) {
        failed = body_.Append({static_cast<const char*>(buffer.data()), buffer.size()});
        if (failed) return taken;
        taken += buffer.size();
      }
      return taken;
    }
    void finish(boost::system::error_code& failed) { failed = {}; }

   private:
    value_type& body_;
  };
};

}  // namespace muster::http::internal
