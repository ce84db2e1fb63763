// Invariant: whatever the order of appends, subscribes, lags and catch-ups, what a follower has got since its
// snapshot is exactly the channel's records after the snapshot's `after`, each once, in order.

#include <gtest/gtest.h>

#include <random>

#include "feed/testing.h"
#include "protocol/deflate.h"

namespace tidegate::feed {
namespace {

TEST(CatchUpTest, a_seeded_interleaving_leaves_neither_gap_nor_overlap) {
  for (const unsigned seed : {1u, 2u, 3u, 4u, 5u}) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    Options options;
    options.catch_up_bytes = 200;  // a few records a chunk
    options.read_bytes = 1'000;
    Stage stage(false, options);
    stage.start();
    const std::vector<std::string> keys = {"a", "b", "c"};
    std::map<std::string, std::vector<Got>> all;
    std::vector<std::pair<Follower*, std::string>> followers;
    std::uint64_t lsn = 0;
    for (int step = 0; step < 2'000; ++step) {
      const std::string& key = keys[random() % keys.size()];
      const unsigned what = random() % 100;
      if (what < 70) {
        const std::string value(random() % 50 + 1, static_cast<char>('a' + lsn % 26));
        stage.append(log::Kind::diff, stage.partition_of(key), key, value, ++lsn);
        all[key].push_back({Lsn(lsn), value});
      } else if (what < 75) {
        const bool v1 = random() % 2 == 0;
        followers.emplace_back(
            &stage.subscribe(key, nullptr, {}, {}, v1 ? protocol::Encoding::v1 : protocol::Encoding::raw),
            key);
      } else if (!followers.empty()) {
        Follower& follower = *followers[random() % followers.size()].first;
        if (follower.live && what < 90) follower.live = false;  // its outbox is full
        if (!follower.live && !follower.lagging && !follower.snapshots.empty()) stage.catch_up(follower);
      }
      while (random() % 3 == 0 && !stage.shard.empty()) stage.handle_one();
    }
    for (auto& [follower, key] : followers) {
      stage.until([&] { return !follower->snapshots.empty(); });
      if (!follower->live && !follower->lagging) stage.catch_up(*follower);
    }
    for (const std::string& key : keys) {
      stage.append(log::Kind::diff, stage.partition_of(key), key, "end", ++lsn);
      all[key].push_back({Lsn(lsn), "end"});
    }
    for (auto& [follower, key] : followers) {
      const std::vector<Got>& expected = all[key];
      stage.until([&, f = follower] {
        return f->live && !f->got.empty() && f->got.back().lsn == expected.back().lsn;
      });
      ASSERT_LE(follower->got.size(), expected.size());
      const auto from = static_cast<std::ptrdiff_t>(expected.size() - follower->got.size());
      for (std::size_t i = 0; i < follower->got.size(); ++i) {
        ASSERT_EQ(follower->got[i].lsn, expected[static_cast<std::size_t>(from) + i].lsn);
      }
    }
  }
}

TEST(CatchUpTest, chunks_stay_small_and_the_last_one_is_live) {
  Options options;
  options.catch_up_bytes = 1'000;
  Stage stage(false, options);
  stage.start();
  Follower& follower = stage.subscribe("k", nullptr);
  stage.until_live(follower);
  follower.live = false;
  for (std::uint64_t lsn = 1; lsn <= 100; ++lsn) {
    stage.append(log::Kind::diff, stage.partition_of("k"), "k", std::string(100, 'x'), lsn);
  }
  Follower& witness = stage.subscribe("k", nullptr, {}, Lsn(99));
  stage.until([&] { return !witness.got.empty(); });
  follower.chunks = 0;
  stage.catch_up(follower);
  stage.until_live(follower);
  EXPECT_EQ(follower.got.size(), 100u);
  EXPECT_GE(follower.chunks, 10);
}

/// Managed, with text.
class TextTest : public testing::Test {
 protected:
  void SetUp() override {
    stage.start();
    stage.subscribe(key, query, {}, {}, protocol::Encoding::v1);
    stage.active(key, *query, 0xabc, 100);
    stage.progress(100, 100);
    stage.source.wait_begun(1);  // with 100 as V
    stage.source.release({.fence = {Lsn(100), std::nullopt}});
  }
  std::string diff(std::uint64_t lsn, int changes, std::size_t bytes) {
    protocol::Diff diff{query->hash(), Lsn(lsn), Xid(lsn), 0, {}};
    for (int i = 0; i < changes; ++i) {
      diff.changes.push_back(
          {protocol::ChangeKind::insert, "[\"" + std::to_string(i) + "\"]",
           R"({"id":")" + std::to_string(i) + R"(","title":")" + std::string(bytes, 'x') + R"("})"});
    }
    return protocol::encode_diff(diff);
  }
  static std::size_t count(const std::string& text, const std::string& what) {
    std::size_t found = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
    return found;
  }

  std::string key = "t/things/1";
  std::shared_ptr<const query::Query> query = query_for(1);
  Stage stage{true};
};

TEST_F(TextTest, a_diff_is_rendered_with_its_cursor) {
  Follower& follower = stage.subscribe(key, query, {}, {}, protocol::Encoding::json);
  stage.until_live(follower);
  stage.diff(key, 110, diff(110, 1, 3));
  stage.settle(110, 110);
  ASSERT_EQ(follower.got.size(), 1u);
  const std::string& text = follower.got[0].payload;
  EXPECT_NE(text.find(R"("title":"xxx")"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("activation":"0000000000000abc")"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("lsn":"110")"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("last":true)"), std::string::npos) << text;
}

TEST_F(TextTest, rule_5_parts_are_assembled_and_cut_by_changes_live_and_from_the_tail) {
  Follower& live = stage.subscribe(key, query, {}, {}, protocol::Encoding::json);
  stage.until_live(live);
  const std::string whole = diff(110, 200, 5'000);
  const std::size_t half = whole.size() / 2;
  const Partition partition = stage.partition_of(key);
  stage.append(log::Kind::diff, partition, key, whole.substr(0, half), 110, Xid(110), 0, false);
  stage.append(log::Kind::diff, partition, key, whole.substr(half), 110, Xid(110), 1, true);
  stage.settle(110, 110);
  ASSERT_GE(live.got.size(), 4u);
  std::size_t changes = 0;
  for (std::size_t i = 0; i < live.got.size(); ++i) {
    const std::string& text = live.got[i].payload;
    EXPECT_LT(text.size(), 256u << 10);
    EXPECT_EQ(text.find(R"("last":true)") != std::string::npos, i + 1 == live.got.size());
    changes += count(text, R"("kind":"insert")");
  }
  EXPECT_EQ(changes, 200u);
  // The same for one who lags, and for binary ones, to whom the texts say nothing.
  Follower& later = stage.subscribe(key, query, {}, {}, protocol::Encoding::json);
  Follower& binary = stage.subscribe(key, query, {}, {}, protocol::Encoding::v1);
  stage.until_live(later);
  stage.until_live(binary);
  EXPECT_EQ(later.got, live.got);
  ASSERT_EQ(binary.got.size(), 2u);
  EXPECT_EQ(binary.got[0].payload + binary.got[1].payload, whole);
}

TEST_F(TextTest, what_nobody_wanted_as_text_is_rendered_for_who_catches_up) {
  stage.diff(key, 110, diff(110, 1, 3));
  const std::string whole = diff(120, 200, 5'000);
  stage.append(log::Kind::diff, stage.partition_of(key), key, whole.substr(0, 1'000), 120, Xid(120), 0,
               false);
  stage.append(log::Kind::diff, stage.partition_of(key), key, whole.substr(1'000), 120, Xid(120), 1, true);
  stage.settle(120, 120);
  Follower& follower = stage.subscribe(key, query, {}, {}, protocol::Encoding::json);
  stage.until_live(follower);
  std::size_t changes = 0;
  for (const Got& got : follower.got) changes += count(got.payload, R"("kind":"insert")");
  EXPECT_EQ(changes, 201u);
}

/// Somebody has had a large diff in one encoding when others come for it in all.
class MixedTest : public TextTest, public testing::WithParamInterface<protocol::Encoding> {
 protected:
  static std::string plain_text(const std::string& text) {
    if (text.starts_with(",")) return text;  // the tail of a message; it was not worth compressing
    std::string plain;
    EXPECT_EQ(protocol::inflate_message(text, 1 << 20, plain), protocol::Inflated::whole);
    return plain;
  }
  void expect_whole(const Follower& follower) const {
    SCOPED_TRACE("encoding " + std::to_string(static_cast<int>(follower.encoding)));
    if (protocol::plain(follower.encoding) != protocol::Encoding::json) {
      std::string joined;
      for (const Got& got : follower.got) joined += got.payload;
      EXPECT_TRUE(joined == whole);
      return;
    }
    std::size_t changes = 0;
    ASSERT_GE(follower.got.size(), 4u);
    for (std::size_t i = 0; i < follower.got.size(); ++i) {
      const std::string text = plain_text(follower.got[i].payload);
      EXPECT_EQ(text.find(R"("last":true)") != std::string::npos, i + 1 == follower.got.size());
      changes += count(text, R"("kind":"insert")");
    }
    EXPECT_EQ(changes, 200u);
  }
  /// From a snapshot of before the diff, and with a cursor of before it.
  void expect_whole_in(std::initializer_list<protocol::Encoding> encodings) {
    const protocol::Cursor cursor{
        stage.epoch, query->hash(), Activation(0xabc), stage.partition_of(key), Offset(0), Lsn(100), {}};
    for (const protocol::Encoding encoding : encodings) {
      Follower& fresh = stage.subscribe(key, query, {}, {}, encoding);
      Follower& back = stage.subscribe(key, query, cursor, {}, encoding);
      for (Follower* each : {&fresh, &back}) {
        stage.until_live(*each);
        expect_whole(*each);
      }
      EXPECT_EQ(fresh.snapshots.size(), 1u);
      EXPECT_TRUE(back.accepted->resumed);
      EXPECT_EQ(back.snapshots.size(), 0u);
    }
    EXPECT_EQ(stage.source.begun(), 1);
  }
  Follower& first() {
    Follower& first = stage.subscribe(key, query, {}, {}, GetParam());
    stage.until_live(first);
    return first;
  }

  const std::string whole = diff(110, 200, 5'000);
};

TEST_P(MixedTest, rule_5_a_large_diff_is_whole_for_who_wants_it_otherwise_than_the_first) {
  using enum protocol::Encoding;
  const Follower& live = first();
  stage.diff(key, 110, whole);
  stage.settle(110, 110);
  expect_whole(live);
  expect_whole_in({raw, v1, json, base64, raw_deflated, v1_deflated, json_deflated});
}

/// Who can't join parts is reset by them.
class MixedPartsTest : public MixedTest {};

TEST_P(MixedPartsTest, rule_5_a_diff_in_parts_is_found_behind_the_texts_of_others) {
  using enum protocol::Encoding;
  const Follower& live = first();
  const std::size_t third = whole.size() / 3;
  for (std::uint32_t part = 0; part < 3; ++part) {
    const std::size_t from = part * third;
    stage.append(log::Kind::diff, stage.partition_of(key), key,
                 whole.substr(from, part == 2 ? std::string::npos : third), 110, Xid(110), part, part == 2);
  }
  stage.settle(110, 110);
  expect_whole(live);
  expect_whole_in({v1, json, v1_deflated, json_deflated});
}

INSTANTIATE_TEST_SUITE_P(Encodings, MixedTest,
                         testing::Values(protocol::Encoding::raw, protocol::Encoding::v1,
                                         protocol::Encoding::json, protocol::Encoding::base64,
                                         protocol::Encoding::raw_deflated, protocol::Encoding::v1_deflated,
                                         protocol::Encoding::json_deflated));
INSTANTIATE_TEST_SUITE_P(Encodings, MixedPartsTest,
                         testing::Values(protocol::Encoding::v1, protocol::Encoding::json,
                                         protocol::Encoding::v1_deflated, protocol::Encoding::json_deflated));

TEST_F(TextTest, a_value_that_is_no_diff_resets_the_channel_where_text_is_wanted) {
  Follower& follower = stage.subscribe(key, query, {}, {}, protocol::Encoding::json);
  stage.until_live(follower);
  stage.diff(key, 110, "not a diff");
  stage.settle(110, 109);
  EXPECT_EQ(follower.unsolicited, 1);
  EXPECT_TRUE(stage.has_metric("tidegate_feed_undecodable_total 1"));
}

}  // namespace
}  // namespace tidegate::feed
