// Writes src/auth/vectors.h anew: `node tests/tokens/vectors.mjs > src/auth/vectors.h`. New keys each time; the private
// ones are thrown away.
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { algorithms, jwk, make, pem, token } from './sign.mjs';

const claims = { sub: 'ann', tenant: 'acme', exp: 4102444800 };
const keys = new Map();
const of = (algorithm) => {
  const kind = algorithm.startsWith('HS') ? algorithm : algorithm === 'EdDSA' || algorithm.startsWith('ES') ? algorithm : 'RSA';
  if (!keys.has(kind)) keys.set(kind, make(algorithm));
  return keys.get(kind);
};
console.log(`#pragma once

// Written by tests/tokens/vectors.mjs with Node's crypto.

#include <string_view>

namespace tidegate::auth::vectors {

struct Vector {
  std::string_view algorithm, jwk, pem, token;
};

inline constexpr std::string_view kRsaJwk = R"(${JSON.stringify(jwk(of('RS256')))})";
inline constexpr std::string_view kRsaPem = R"(${pem(of('RS256'))})";

inline constexpr Vector kVectors[] = {`);
for (const algorithm of algorithms) {
  const key = of(algorithm);
  const rsa = key === of('RS256');
  console.log(`    {"${algorithm}", ${rsa ? 'kRsaJwk' : `R"(${JSON.stringify(jwk(key))})"`},
     ${rsa ? 'kRsaPem' : `R"(${key.secret ? '' : pem(key)})"`},
     "${token(algorithm, key, claims)}"},`);
}
const small = generateKeyPairSync('rsa', { modulusLength: 1024 });
const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' });
const x25519 = generateKeyPairSync('x25519');
const private_ = make('ES256');
const openssl = (...words) => execFileSync('openssl', words, { encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] });
const certificate = openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', '/dev/null', '-days', '36500', '-subj', '/CN=issuer');
const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'pem' });
const pkcs1 = of('RS256').publicKey.export({ type: 'pkcs1', format: 'pem' });
console.log(`};

inline constexpr std::string_view kSmallRsa = R"(${JSON.stringify(jwk(small))})";
inline constexpr std::string_view kP521 = R"(${JSON.stringify(jwk(p521))})";
inline constexpr std::string_view kX25519 = R"(${JSON.stringify(jwk(x25519))})";
inline constexpr std::string_view kPrivateJwk = R"(${JSON.stringify(private_.privateKey.export({ format: 'jwk' }))})";
// The certificate is by openssl, the others by Node.
inline constexpr std::string_view kCertificate = R"(${certificate})";
inline constexpr std::string_view kPssPem = R"(${pss})";
inline constexpr std::string_view kPkcs1Pem = R"(${pkcs1})";
inline constexpr std::string_view kPrivatePem = R"(${private_.privateKey.export({ format: 'pem', type: 'pkcs8' })})";

}  // namespace tidegate::auth::vectors`);
