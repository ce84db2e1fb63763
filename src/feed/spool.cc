#include "feed/spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

namespace tidegate::feed {
namespace {

Error disk_error(const std::string& directory, int code) {
  return {Fault::unavailable,
          "cannot keep a snapshot in " + directory + ": " + std::generic_category().message(code)};
}

/// A file of the directory that has no name there.
Result<int> open_file(const std::string& directory) {
  int descriptor = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
    // Not every file system makes files without a name.
    std::string name = directory + "/tidegate-spool-XXXXXX";
    descriptor = ::mkostemp(name.data(), O_CLOEXEC);
    if (descriptor >= 0) ::unlink(name.c_str());
  }
  if (descriptor < 0) return disk_error(directory, errno);
  return descriptor;
}

}  // namespace

Spool::Spool(SpoolRoom room) : room_(std::move(room)), memory_(room_.memory), file_(room_.files) {}

Spool::~Spool() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::shared_ptr<const Spool> Spool::of(std::vector<std::string> parts) {
  auto spool = std::make_shared<Spool>();
  for (std::string& part : parts) {
    [[maybe_unused]] const Status kept = spool->append(std::move(part));
    assert(kept.ok());
  }
  return spool;
}

Status Spool::append(std::string part) {
  const bool fits = in_file_.empty() && memory_.bytes() + part.size() <= room_.memory_bytes;
  if (!fits || !memory_.add(part.size())) return append_to_file(part);
  part.shrink_to_fit();
  in_memory_.push_back(std::move(part));
  return {};
}

Status Spool::append_to_file(std::string_view part) {
  if (descriptor_ < 0) {
    auto opened = open_file(room_.directory);
    if (!opened) return opened.error();
    descriptor_ = *opened;
  }
  const std::uint64_t start = file_.bytes();
  if (!file_.add(part.size())) return Error{Fault::denied, "the spools' files hold as much as they may"};
  for (std::size_t written = 0; written < part.size();) {
    const auto count = ::pwrite(descriptor_, part.data() + written, part.size() - written,
                                static_cast<off_t>(start + written));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return disk_error(room_.directory, count < 0 ? errno : ENOSPC);
    written += static_cast<std::size_t>(count);
  }
  in_file_.push_back({start, part.size()});
  return {};
}

std::optional<std::string_view> Spool::in_memory(std::size_t part) const {
  if (part < in_memory_.size()) return in_memory_[part];
  return std::nullopt;
}

Status Spool::read(std::size_t part, std::string& out) const {
  assert(part >= in_memory_.size() && part < parts());
  const Piece& piece = in_file_[part - in_memory_.size()];
  const std::size_t before = out.size();
  out.resize(before + piece.size);
  for (std::size_t got = 0; got < piece.size;) {
    const auto count = ::pread(descriptor_, out.data() + before + got, piece.size - got,
                               static_cast<off_t>(piece.offset + got));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return disk_error(room_.directory, count < 0 ? errno : EIO);
    got += static_cast<std::size_t>(count);
  }
  return {};
}

Status Spool::check(const std::string& directory) {
  const auto file = open_file(directory);
  if (!file) return Error{Fault::invalid, file.error().message + " (--spool-directory)"};
  ::close(*file);
  return {};
}

}  // namespace tidegate::feed
