#include "postgres/spill.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/fault_point.h"

namespace tidegate::postgres {
namespace {

/// A record in memory and in the file: how many bytes, a number of the caller's, the bytes. It is read by the
/// process that wrote it, so numbers stand in the machine's order.
struct Head {
  std::uint32_t size;
  std::uint32_t tag;
};

constexpr std::size_t kReadBytes = std::size_t{256} << 10;

/// The record that `bytes` begin with; nothing where they don't hold all of it. `need` is what it takes.
struct Found {
  std::size_t need = sizeof(Head);
  std::uint32_t tag = 0;
  std::string_view bytes;
};
Found first_of(std::string_view bytes) {
  Found found;
  if (bytes.size() < sizeof(Head)) return found;
  Head head;
  std::memcpy(&head, bytes.data(), sizeof head);
  found.need += head.size;
  found.tag = head.tag;
  if (bytes.size() >= found.need) found.bytes = bytes.substr(sizeof head, head.size);
  return found;
}

}  // namespace

Spill::~Spill() {
  if (in_file()) fault_point("spill.closed");
}

Error Spill::failed(const std::error_code& code) const {
  const bool full = code == std::errc::no_space_on_device || code.value() == EDQUOT;
  return {Fault::fatal,
          fmt::format("a large transaction can't be kept in {} ({}): {} --spool-directory; nothing is lost, "
                      "it is streamed again after the start",
                      room_.directory, code.message(),
                      full ? "free some of its disk, or name another directory with"
                           : "name a directory that can be written with")};
}

Status Spill::append(std::uint32_t tag, std::string_view bytes) {
  const Head head{static_cast<std::uint32_t>(bytes.size()), tag};
  memory_.append(reinterpret_cast<const char*>(&head), sizeof head);
  memory_.append(bytes);
  return in_file() && memory_.size() >= kWriteBytes ? write_out() : Status();
}

Status Spill::go_on_in_file() {
  if (!in_file()) {
    if (const auto code = file_.open(room_.directory)) return failed(code);
    fault_point("spill.filed");
  }
  return write_out();
}

Status Spill::write_out() {
  if (!charge_.add(memory_.size())) {
    return Error{Fault::fatal,
                 fmt::format("open transactions would take more than {} bytes in {}: give more with "
                             "--transaction-file-bytes-max; nothing is lost, they are streamed again after "
                             "the start",
                             room_.files->bytes_max(), room_.directory)};
  }
  if (const auto code = file_.write(filed_, memory_)) return failed(code);
  filed_ += memory_.size();
  std::string().swap(memory_);
  fault_point("spill.written");
  return {};
}

Status Spill::cut(std::uint64_t place) {
  if (place >= filed_) {
    memory_.resize(place - filed_);
    return {};
  }
  memory_.clear();
  if (const auto code = file_.truncate(place)) return failed(code);
  filed_ = place;
  charge_.set(filed_);
  return {};
}

Status Spill::each(const Visit& visit) const {
  if (const Status done = each_filed(visit); !done) return done;
  for (std::string_view rest = memory_; !rest.empty();) {
    const Found found = first_of(rest);
    if (const Status done = visit(found.tag, found.bytes); !done) return done;
    rest.remove_prefix(found.need);
  }
  return {};
}

/// Records don't straddle file and memory: memory is written whole.
Status Spill::each_filed(const Visit& visit) const {
  std::string buffer;
  std::size_t at = 0;  // in the buffer: the first byte that was not given
  for (std::uint64_t place = 0; place < filed_ || at < buffer.size();) {
    const std::string_view rest = std::string_view(buffer).substr(at);
    const Found found = first_of(rest);
    if (rest.size() >= found.need) {
      if (const Status done = visit(found.tag, found.bytes); !done) return done;
      at += found.need;
      continue;
    }
    buffer.erase(0, at);
    at = 0;
    const std::size_t before = buffer.size();
    const auto more = std::min<std::uint64_t>(filed_ - place, std::max(kReadBytes, found.need - before));
    if (more == 0) return failed(std::make_error_code(std::errc::io_error));
    buffer.resize(before + more);
    if (const auto code = file_.read(place, buffer.data() + before, more)) return failed(code);
    place += more;
    fault_point("spill.read");
  }
  return {};
}

}  // namespace tidegate::postgres
