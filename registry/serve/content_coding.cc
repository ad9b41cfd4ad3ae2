#include "registry/serve/content_coding.h"

#include <zlib.h>

#include <algorithm>
#include <cctype>
#include <limits>

namespace muster::registry::serve {

namespace {

constexpr int kLargestWindow = 15;
constexpr int kGzipWrapper = 16;  // zlib's manual, inflateInit2 and deflateInit2

std::string_view Trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

Coding CodingNamed(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (lower == "gzip" || lower == "x-gzip") return Coding::kGzip;
  return lower == "deflate" ? Coding::kDeflate : Coding::kNone;
}

int WindowOf(Coding coding) {
  return coding == Coding::kGzip ? kLargestWindow + kGzipWrapper : kLargestWindow;
}

/// zlib's interface wants bytes that it never writes to as if it did.
Bytef* Input(std::string_view bytes) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
}

class Inflater {
 public:
  explicit Inflater(Coding coding) : ready_(inflateInit2(&stream_, WindowOf(coding)) == Z_OK) {}
  ~Inflater() {
    if (ready_) inflateEnd(&stream_);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  [[nodiscard]] bool ready() const { return ready_; }
  z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
  bool ready_;
};

}  // namespace

Coding CodingFor(std::string_view accept_encoding) {
  while (!accept_encoding.empty()) {
    const std::size_t comma = std::min(accept_encoding.find(','), accept_encoding.size());
    const std::string_view entry = accept_encoding.substr(0, comma);
    accept_encoding.remove_prefix(std::min(comma + 1, accept_encoding.size()));
    const std::size_t semicolon = std::min(entry.find(';'), entry.size());
    const std::string_view weight = Trim(entry.substr(std::min(semicolon + 1, entry.size())));
    const bool refused =
        weight.starts_with("q=0") && weight.find_first_of("123456789") == weight.npos;
    const Coding coding = CodingNamed(Trim(entry.substr(0, semicolon)));
    if (coding != Coding::kNone && !refused) return coding;
  }
  return Coding::kNone;
}

std::string_view CodingName(Coding coding) {
  return coding == Coding::kNone ? "" : coding == Coding::kGzip ? "gzip" : "deflate";
}

Result<std::string> Unpack(std::string_view packed, std::string_view content_encoding,
                           std::size_t most) {
  const Coding coding = CodingNamed(Trim(content_encoding));
  if (coding == Coding::kNone) {
    return Unsupported("Content-Encoding is '" + std::string(content_encoding.substr(0, 40)) +
                       "'; wanted gzip or deflate");
  }
  if (packed.size() > std::numeric_limits<uInt>::max()) {
    return Invalid("the body has " + std::to_string(packed.size()) + " bytes");
  }
  Inflater inflater(coding);
  if (!inflater.ready()) return ResourceExhausted("no memory to unpack the body");
  z_stream& stream = inflater.stream();
  stream.next_in = Input(packed);
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string text;
  constexpr std::size_t kStep = 64 << 10;
  int state = Z_OK;
  while (state == Z_OK) {
    const std::size_t before = text.size();
    if (before > most) {
      return Invalid("the body has more than " + std::to_string(most) + " bytes unpacked");
    }
    text.resize(before + kStep);
    stream.next_out = reinterpret_cast<Bytef*>(text.data() + before);
    stream.avail_out = kStep;
    state = inflate(&stream, Z_NO_FLUSH);
    text.resize(before + kStep - stream.avail_out);
  }
  if (state != Z_STREAM_END || stream.avail_in > 0) {
    return Invalid("the body is not in the coding " + std::string(CodingName(coding)) +
                   " that Content-Encoding says");
  }
  if (text.size() > most) {
    return Invalid("the body has more than " + std::to_string(most) + " bytes unpacked");
  }
  return text;
}

Result<std::string> Pack(std::string_view text, Coding coding) {
  if (coding == Coding::kNone) return std::string(text);
  z_stream stream{};
  constexpr int kMemoryLevel = 8;
  const int window = WindowOf(coding);
  if (text.size() > std::numeric_limits<uInt>::max() ||
      deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, window, kMemoryLevel, Z_DEFAULT_STRATEGY) !=
          Z_OK) {
    return ResourceExhausted("no memory to pack the answer");
  }
  std::string packed(deflateBound(&stream, text.size()), '\0');
  stream.next_in = Input(text);
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int state = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  if (state != Z_STREAM_END) return Internal("zlib did not pack the answer");
  return packed;
}

}  // namespace muster::registry::serve
