#include "sqlite/file_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace tidegate::sqlite {
namespace {

constexpr std::chrono::milliseconds kAgainMax{64};

unsigned long long inode_of(const std::string& path) {
  struct stat status{};
  return stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

}  // namespace

FileWatch::FileWatch(const std::string& path)
    : path_(path),
      inotify_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  look_anew();
}

void FileWatch::look_anew() {
  inode_ = inode_of(path_);
  if (inotify_ >= 0) inotify_add_watch(inotify_, path_.c_str(), IN_MODIFY | IN_MOVE_SELF | IN_DELETE_SELF);
  wal_watched_ = false;
  watch_wal();
}

FileWatch::~FileWatch() {
  if (inotify_ >= 0) close(inotify_);
  if (wake_ >= 0) close(wake_);
}

void FileWatch::watch_wal() {
  if (inotify_ < 0 || wal_watched_) return;
  wal_watched_ = inotify_add_watch(inotify_, (path_ + "-wal").c_str(), IN_MODIFY | IN_DELETE_SELF) >= 0;
}

void FileWatch::wait(std::chrono::milliseconds wait) {
  watch_wal();
  if (again_.count() > 0) {
    wait = std::min(wait, again_);
    again_ = again_ < kAgainMax ? again_ * 2 : std::chrono::milliseconds(0);
  }
  std::array<pollfd, 2> files{{{wake_, POLLIN, 0}, {inotify_, POLLIN, 0}}};
  if (poll(files.data(), files.size(), static_cast<int>(wait.count())) <= 0) return;
  std::uint64_t count = 0;
  if (files[0].revents != 0) [[maybe_unused]]
    const auto taken = read(wake_, &count, sizeof count);
  if (files[1].revents == 0) return;
  again_ = std::chrono::milliseconds(1);
  alignas(inotify_event) std::array<char, 4096> events{};
  ssize_t size = 0;
  while ((size = read(inotify_, events.data(), events.size())) > 0) {
    for (ssize_t at = 0; at < size;) {
      const auto* event = reinterpret_cast<const inotify_event*>(events.data() + at);
      if ((event->mask & (IN_IGNORED | IN_DELETE_SELF)) != 0) wal_watched_ = false;
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    }
  }
}

void FileWatch::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = write(wake_, &one, sizeof one);
}

bool FileWatch::same_file() const {
  return inode_of(path_) == inode_;
}

}  // namespace tidegate::sqlite
