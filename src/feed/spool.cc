#include "feed/spool.h"

#include <cassert>
#include <system_error>
#include <utility>

namespace tidegate::feed {
namespace {

Error disk_error(const std::string& directory, const std::error_code& code) {
  return {Fault::unavailable, "cannot keep a snapshot in " + directory + ": " + code.message()};
}

}  // namespace

Spool::Spool(SpoolRoom room) : room_(std::move(room)), memory_(room_.memory), file_(room_.files) {}

std::shared_ptr<const Spool> Spool::of(std::vector<std::string> parts) {
  auto spool = std::make_shared<Spool>();
  for (std::string& part : parts) {
    [[maybe_unused]] const Status kept = spool->append(std::move(part));
    assert(kept.ok());
  }
  return spool;
}

Status Spool::append(std::string part, std::size_t rows) {
  rows_ += rows;
  const bool fits = in_file_.empty() && memory_.bytes() + part.size() <= room_.memory_bytes;
  if (!fits || !memory_.add(part.size())) return append_to_file(part);
  part.shrink_to_fit();
  in_memory_.push_back(std::move(part));
  return {};
}

Status Spool::append_to_file(std::string_view part) {
  if (!spilled_.is_open()) {
    if (const auto failed = spilled_.open(room_.directory)) return disk_error(room_.directory, failed);
  }
  const std::uint64_t start = file_.bytes();
  if (!file_.add(part.size())) return Error{Fault::denied, "the spools' files hold as much as they may"};
  if (const auto failed = spilled_.write(start, part)) return disk_error(room_.directory, failed);
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
  const auto failed = spilled_.read(piece.offset, out.data() + before, piece.size);
  if (failed) return disk_error(room_.directory, failed);
  return {};
}

Status Spool::check(const std::string& directory) {
  NamelessFile file;
  if (const auto failed = file.open(directory)) {
    return Error{Fault::invalid, disk_error(directory, failed).message + " (--spool-directory)"};
  }
  return {};
}

}  // namespace tidegate::feed
