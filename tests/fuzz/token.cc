// Any bytes as a token, and any claims and header in one that is signed: a principal as the claims say, or a
// refusal that repeats nothing.
#include <string>

#include "auth/auth.h"
#include "base/encoding.h"
#include "input.h"

namespace {

using namespace tidegate;

class StoppedClock final : public Clock {
 public:
  [[nodiscard]] Steady steady() const override { return {}; }
  [[nodiscard]] Wall wall() const override { return Wall(std::chrono::seconds(1'700'000'000)); }
};

const std::string kSecret = "0123456789abcdef0123456789abcdef";

auth::Options options() {
  auth::Options out;
  out.audiences = {"tidegate"};
  out.required = {"jti"};
  return out;
}

void judge(std::string_view token, bool may_pass) {
  static const auth::KeySet keys{*auth::Key::of_secret(kSecret)};
  static const auth::Options checked = options();
  const auto verdict = auth::verify(token, keys, checked, StoppedClock());
  if (verdict.principal) {
    fuzz::require(may_pass, "a token that nobody signed is refused");
    fuzz::require(!verdict.principal->subject.empty() && !verdict.principal->tenant.empty(),
                  "names are not empty");
    fuzz::require(verdict.principal->expires_unix_s + 30 > 1'700'000'000, "an expired token is refused");
  } else {
    fuzz::require(verdict.refused.message.starts_with("token: "), "a refusal says why");
    fuzz::require(verdict.refused.message.size() < 200, "and repeats nothing");
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::bytes_of(data, size);
  judge(bytes, false);
  // The header up to the first newline, and the claims.
  const auto line = bytes.find('\n');
  if (line == std::string_view::npos) return 0;
  const std::string text =
      base64url_encode(bytes.substr(0, line)) + "." + base64url_encode(bytes.substr(line + 1));
  judge(text + "." + base64url_encode(auth::hs256(kSecret, text)), true);
  return 0;
}
