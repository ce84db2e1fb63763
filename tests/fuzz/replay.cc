// Runs a target over the files that are named, or lie in a directory that is: what libFuzzer's own main does
// where it may, in a build without libFuzzer.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "input.h"

namespace {

std::vector<std::filesystem::path> files_of(const std::filesystem::path& named) {
  if (!std::filesystem::is_directory(named)) return {named};
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(named)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

bool replay(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    std::fprintf(stderr, "%s can't be read\n", file.c_str());
    return false;
  }
  // On the heap with nothing behind it, so that a sanitizer sees a read beyond the end.
  const std::vector<std::uint8_t> bytes((std::istreambuf_iterator<char>(stream)), {});
  std::printf("%s\n", file.c_str());
  std::fflush(stdout);  // the last line names the input that a crash is of
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  return true;
}

}  // namespace

int main(int count, char** arguments) {
  std::size_t replayed = 0;
  for (int i = 1; i < count; ++i) {
    for (const auto& file : files_of(arguments[i])) {
      if (!replay(file)) return 1;
      ++replayed;
    }
  }
  std::printf("%zu inputs replayed\n", replayed);
  if (replayed == 0) std::fprintf(stderr, "usage: %s DIRECTORY|FILE...\n", arguments[0]);
  return replayed == 0 ? 1 : 0;
}
