#include "base/nameless_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace tidegate {
namespace {

std::error_code error_of(int code) {
  return {code, std::generic_category()};
}

}  // namespace

std::error_code NamelessFile::open(const std::string& directory) {
  close();
  descriptor_ = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor_ < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
    // Not every file system makes files without a name.
    std::string name = directory + "/tidegate-XXXXXX";
    descriptor_ = ::mkostemp(name.data(), O_CLOEXEC);
    if (descriptor_ >= 0) ::unlink(name.c_str());
  }
  return error_of(descriptor_ < 0 ? errno : 0);
}

void NamelessFile::close() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

std::error_code NamelessFile::write(std::uint64_t place, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(place));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return error_of(count < 0 ? errno : ENOSPC);
    bytes.remove_prefix(static_cast<std::size_t>(count));
    place += static_cast<std::uint64_t>(count);
  }
  return {};
}

std::error_code NamelessFile::read(std::uint64_t place, char* into, std::size_t size) const {
  while (size > 0) {
    const ssize_t count = ::pread(descriptor_, into, size, static_cast<off_t>(place));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return error_of(count < 0 ? errno : EIO);
    into += count;
    size -= static_cast<std::size_t>(count);
    place += static_cast<std::uint64_t>(count);
  }
  return {};
}

std::error_code NamelessFile::truncate(std::uint64_t size) {
  return error_of(::ftruncate(descriptor_, static_cast<off_t>(size)) == 0 ? 0 : errno);
}

}  // namespace tidegate
