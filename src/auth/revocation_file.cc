#include "auth/revocation_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>

namespace tidegate::auth {
namespace {

Error fault(const std::string& path, const std::string& doing) {
  return {Fault::unavailable,
          "revocation-file: `" + path + "` cannot be " + doing + ": " + std::strerror(errno)};
}

bool write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return ::fdatasync(file) == 0;
}

/// Whether what is written next begins a line: a disk that was full may have kept half of one.
bool at_line_start(int file, off_t size) {
  char last = '\n';
  return size == 0 || (::pread(file, &last, 1, size - 1) == 1 && last == '\n');
}

/// What the file holds, as it counts, by key.
Result<std::map<std::string, std::string>> read(const std::string& path, Revocations& revocations) {
  std::map<std::string, std::string> lines;
  std::ifstream in(path, std::ios::binary);
  if (!in && errno != ENOENT) return fault(path, "read");
  for (std::string line; std::getline(in, line);) {
    const auto revocation = Revocation::parse(line);
    if (!revocation) {
      revocations.unreadable();
    } else if (!revocations.is_over(*revocation)) {
      const Revocation counts = revocations.add(*revocation);
      lines[counts.key()] = counts.json() + "\n";
    }
  }
  if (in.bad()) return fault(path, "read");
  return lines;
}

}  // namespace

Result<std::unique_ptr<RevocationFile>> RevocationFile::open(const std::string& path,
                                                             Revocations& revocations) {
  errno = 0;
  const auto lines = read(path, revocations);
  if (!lines) return lines.error();
  std::string text;
  for (const auto& [key, line] : *lines) text += line;
  const std::string fresh = path + ".new";
  const int file = ::open(fresh.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return fault(fresh, "written");
  if (!write_all(file, text) || ::rename(fresh.c_str(), path.c_str()) != 0) {
    const Error error = fault(fresh, "written");
    ::close(file);
    return error;
  }
  return std::unique_ptr<RevocationFile>(new RevocationFile(path, file));
}

RevocationFile::~RevocationFile() {
  ::close(file_);
}

Status RevocationFile::append(const Revocation& revocation) {
  const std::lock_guard lock(mutex_);
  const off_t size = ::lseek(file_, 0, SEEK_END);
  if (size < 0) return fault(path_, "read");
  if (write_all(file_, (at_line_start(file_, size) ? "" : "\n") + revocation.json() + "\n")) return {};
  Error error = fault(path_, "written");
  // Half a line is taken back; where that fails too, the next one begins with the end of this.
  if (::ftruncate(file_, size) != 0) error.message += "; half a line of it may be left";
  return error;
}

}  // namespace tidegate::auth
