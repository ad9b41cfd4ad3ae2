#include "trainer/hdf5/npy_header.h"

#include <charconv>

#include "trainer/hdf5/file_bytes.h"

namespace muster::trainer::hdf5 {
namespace {

/// A Python literal of the one form that NumPy writes: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class DictReader {
 public:
  DictReader(std::string_view text, std::uint64_t offset, const std::string& name)
      : text_(text), offset_(offset), name_(name) {}

  Status Read(NpyHeader& header) {
    MUSTER_RETURN_IF_ERROR(Expect('{'));
    while (!Take('}')) {
      MUSTER_ASSIGN_OR_RETURN(const std::string key, Quoted());
      MUSTER_RETURN_IF_ERROR(Expect(':'));
      if (key == "descr") {
        if (!Peek('\'') && !Peek('"')) {
          return Unsupported(name_ +
                             " holds records of several fields; wanted one array of numbers");
        }
        MUSTER_ASSIGN_OR_RETURN(header.type, Quoted());
      } else if (key == "fortran_order") {
        MUSTER_RETURN_IF_ERROR(Order());
      } else if (key == "shape") {
        MUSTER_RETURN_IF_ERROR(Shape(header.shape));
        has_shape_ = true;
      } else {
        return Wrong("an unknown key '" + key + "'");
      }
      if (!Take(',') && !Peek('}')) return Wrong("no ','");
    }
    if (header.type.empty() || !has_shape_) return Wrong("no 'descr' and 'shape'");
    if (header.shape.empty()) return Invalid(name_ + " holds a single value, no rows");
    return Ok();
  }

 private:
  [[nodiscard]] Error Wrong(const std::string& what) const {
    return Corrupt(name_ + ": at byte " + std::to_string(offset_ + at_) + ": the .npy header has " +
                   what);
  }
  bool Peek(char wanted) {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
    return at_ < text_.size() && text_[at_] == wanted;
  }
  bool Take(char wanted) {
    const bool there = Peek(wanted);
    if (there) ++at_;
    return there;
  }
  Status Expect(char wanted) {
    return Take(wanted) ? Ok() : Status(Wrong(std::string("no '") + wanted + "'"));
  }
  Result<std::string> Quoted() {
    const char quote = Peek('"') ? '"' : '\'';
    MUSTER_RETURN_IF_ERROR(Expect(quote));
    const std::size_t end = text_.find(quote, at_);
    if (end == std::string_view::npos) return Wrong("a text without its end");
    std::string text(text_.substr(at_, end - at_));
    at_ = end + 1;
    return text;
  }
  Status Order() {
    if (Peek('F') && text_.substr(at_, 5) == "False") {
      at_ += 5;
      return Ok();
    }
    if (text_.substr(at_, 4) != "True") return Wrong("no True or False");
    return Unsupported(name_ + " is in Fortran order; save numpy.ascontiguousarray(array)");
  }
  Status Shape(std::vector<std::int64_t>& shape) {
    MUSTER_RETURN_IF_ERROR(Expect('('));
    while (!Take(')')) {
      Peek(' ');
      std::int64_t size = 0;
      const char* begin = text_.data() + at_;
      const auto [stop, error] = std::from_chars(begin, text_.data() + text_.size(), size);
      if (error != std::errc() || size < 0) return Wrong("no size in its shape");
      at_ += static_cast<std::size_t>(stop - begin);
      shape.push_back(size);
      if (!Take(',') && !Peek(')')) return Wrong("no ',' in its shape");
    }
    return Ok();
  }

  std::string_view text_;
  std::uint64_t offset_;
  const std::string& name_;
  std::size_t at_ = 0;
  bool has_shape_ = false;
};

}  // namespace

Result<NpyHeader> ParseNpyHeader(std::string_view head, const std::string& name) {
  constexpr std::string_view kMagic = "\x93NUMPY";
  if (!head.starts_with(kMagic) || head.size() < 12) {
    return Corrupt(name + " is not a .npy file: it does not begin with NumPy's signature");
  }
  const int version = static_cast<unsigned char>(head[6]);
  if (version < 1 || version > 3) {
    return Unsupported(name + " is of .npy format " + std::to_string(version) + "; wanted 1 to 3");
  }
  const std::size_t width = version == 1 ? 2 : 4;
  const std::uint64_t size = Little(reinterpret_cast<const std::byte*>(head.data()) + 8, width);
  if (size > head.size() - 8 - width) {
    return Corrupt(name + ": at byte 8: a .npy header of " + std::to_string(size) +
                   " bytes does not fit");
  }
  NpyHeader header;
  header.data_at = 8 + width + size;
  MUSTER_RETURN_IF_ERROR(DictReader(head.substr(8 + width, size), 8 + width, name).Read(header));
  return header;
}

}  // namespace muster::trainer::hdf5
