#include "base/nameless_file.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace tidegate {
namespace {

TEST(NamelessFile, gives_back_what_was_written_and_leaves_no_name) {
  std::string directory = (std::filesystem::temp_directory_path() / "tidegate-XXXXXX").string();
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  NamelessFile file;
  ASSERT_FALSE(file.open(directory));
  EXPECT_TRUE(std::filesystem::is_empty(directory));
  ASSERT_FALSE(file.write(0, "one two"));
  ASSERT_FALSE(file.write(4, "three"));
  std::string read(9, ' ');
  ASSERT_FALSE(file.read(0, read.data(), read.size()));
  EXPECT_EQ(read, "one three");
  ASSERT_FALSE(file.truncate(3));
  EXPECT_TRUE(file.read(0, read.data(), read.size())) << "it ends before";
  std::filesystem::remove(directory);
}

TEST(NamelessFile, says_why_it_could_not_be_made) {
  NamelessFile file;
  EXPECT_EQ(file.open("/nowhere at all"), std::errc::no_such_file_or_directory);
  EXPECT_FALSE(file.is_open());
}

}  // namespace
}  // namespace tidegate
