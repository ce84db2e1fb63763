#pragma once

// Written by tests/tokens/vectors.mjs with Node's crypto.

#include <string_view>

namespace tidegate::auth::vectors {

struct Vector {
  std::string_view algorithm, jwk, pem, token;
};

inline constexpr std::string_view kRsaJwk =
    R"({"kty":"RSA","n":"m77JcAaOBAVx1YPIlFaKnmIRvsJOsgqd3ExYS5x4lXVh7xXqMyhpJoGhFQA73k31nE-7uv2NHPq7EMp1bC3RH-8qoMLXjNFqJ2n17x6ONuFgSrvhpHyNPAPqq2caRNH9DfFiv2ZKFZZC566qaha6TlqNTTI4Ye5no-3xZu-ZLafHP1XWoqglmVUPMZL3Ao8FwqUsd3tnXKF3859q7orzRGr_6uLo1kCqRZ-v9oj76_DbcD1LWo0BWKCDVLXT9AEpqwGzulSzyr2ZyAgrtmRCH1pCJ-oFr5Et9JeyxEsUWtDDhZxgIh3P50x1ij9mupFaNth4Y9fdAJUTnSKo_1mNhQ","e":"AQAB"})";
inline constexpr std::string_view kRsaPem = R"(-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAm77JcAaOBAVx1YPIlFaK
nmIRvsJOsgqd3ExYS5x4lXVh7xXqMyhpJoGhFQA73k31nE+7uv2NHPq7EMp1bC3R
H+8qoMLXjNFqJ2n17x6ONuFgSrvhpHyNPAPqq2caRNH9DfFiv2ZKFZZC566qaha6
TlqNTTI4Ye5no+3xZu+ZLafHP1XWoqglmVUPMZL3Ao8FwqUsd3tnXKF3859q7orz
RGr/6uLo1kCqRZ+v9oj76/DbcD1LWo0BWKCDVLXT9AEpqwGzulSzyr2ZyAgrtmRC
H1pCJ+oFr5Et9JeyxEsUWtDDhZxgIh3P50x1ij9mupFaNth4Y9fdAJUTnSKo/1mN
hQIDAQAB
-----END PUBLIC KEY-----
)";

inline constexpr Vector kVectors[] = {
    {"HS256", R"({"kty":"oct","k":"CXXlO_BBjiFiIeovsO6Eg1B_sJ6bWtfRDXDJ4F-SFSk"})", R"()",
     "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJ0ZW5hbnQiOiJhY21lIiwiZXhwIjo0MTAyNDQ0ODAwfQ."
     "qNGJcSnSb29PVZRA4p5Gfu6Cycohp5PV53kMKkN2Ncw"},
    {"HS384", R"({"kty":"oct","k":"y0yG0cFg0xuA2QyLUWm6DJod2fwRVgNH0klmGSZsCd-l50vFCTR_PQK10T75jf_t"})",
     R"()",
     "eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJ0ZW5hbnQiOiJhY21lIiwiZXhwIjo0MTAyNDQ0ODAwfQ."
     "7qKlt-idHBdVxd6cQsXvxgECCsAu8tP9gng3b6zbyc7Ery3KtjJMmh8suQKbzSt0"},
    {"HS512",
     R"({"kty":"oct","k":"oH8gcByaC2Vb-6P0gEK3dvlJTEQ1Dz2mDOttjgICtaUGdl51H14F5zhJ5t8t8WPmeUkRYZ9eItNtoHmM_oCIVg"})",
     R"()",
     "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJ0ZW5hbnQiOiJhY21lIiwiZXhwIjo0MTAyNDQ0ODAwfQ."
     "eadYHMnFqcOpuXZ2IKrM8Vttnu1S5UouuQm9loGFghPsYCBAeqNaJhN3tTswtJN0wSo5RqHVXYQmrdbA-TlKWg"},
    {"RS256", kRsaJwk, kRsaPem,
     "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJ0ZW5hbnQiOiJhY21lIiwiZXhwIjo0MTAyNDQ0ODAwfQ."
     "UVdYySA4qbhGQTR6lAM8FifcKTObOhNaq7Ns3N6M_GtpSLNV7NQuwSUZqEfxpPHBtQPKfyPtLsxPLRTjOMWf3zUo7UTJ80u5tRb-"
     "lptHGEuhwXp6t5hrs1dnNWXFBzgqAKWiDntM-"
     "rmJjpxbPBcvnETNRfA6v8itpkopAgjjurM3TrssZsOrutsq85mqmpPIFWU0HYGdEncj2Zk508rzCey8DXrLuBHBLdoYxypBJuhv0_"
     "qmX6chnFKAQWdsq-raqTk8zYXcTwUq3d5qsVJDW2NTewNSYEZpZ85n1fILzAhAdjdG6r7vWmQDNCUrw7_1-"
     "ko6M8jnhKuo9LTD3cFs6w"},
    {"RS384", kRsaJwk, kRsaPem,
     "eyJhbGciOiJSUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJ0ZW5hbnQiOiJhY21lIiwiZXhwIjo0MTAyNDQ0ODAwfQ."
     "iUxHAKiikreyD6K0yTLW2ikb1W3ZyvfD1eIdX3BrQVDnJOQSdeYm8zHD0Hy6qBKRPFglne-"
     "1EqO7MT6y9KPx2NCqZW7hI2gxCwtIaAcoG1fEIw0p3_6eei92t_U9-"
     "T1j4cEWKvmRXsd2OluvQ9beeKRvLkXHJxoYZgGmPQqPge9vUHZYVgUcBVvuPGfd_hCOCLFfOcyThfr5_"
     "ARE0eojb61JFlMeOpMzCNTrmSgLzo3rdxHvp4PS-RwMN9G45jYljg49NTv3zFYNLYhF9-"
     "jG6IdCa6WdAp2vQAmKRRvjaY7ficgFMU023uoaKlp3kqCBocFkBMac8KXJhrv-uxzCCg"},
    {"RS512", kRsaJwk, kRsaPem,
     "eyJhbGciOiJSUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJ0ZW5hbnQiOiJhY21lIiwiZXhwIjo0MTAyNDQ0ODAwfQ."
     "g3S-rKuCKNn4hxDJJU10qCfijxKFXpKI3Y5us_EHSBgZETRQLvOSswPLHeOQo_uf-gh_bccyqKxSDdSq8EVBQMJfbGtV776UW_"
     "dIPndSq3n0KwV2vumCmQBMzAUr1bX5oYSMxC0NHNYb33y1JFy_-"
     "p5JbBRMch2ru7dPbVLtmW0MZYiHLSFbdUWUnMLLtiW740utv5bju07Yt7K--Zx7f7FJxKm_-5X9q6T2BUDpawZ4ZesBx_"
     "qTtJSrWQcrgwy_wbLZShZx1JhMdFGPKc8mAap5soKb6ijvHs5fx-ag7cNh5hvXno-jdE8fvQlCIqpFArfl5UazuJdQvSlJiF29Rw"},
    {"PS256", kRsaJwk, kRsaPem,
     "eyJhbGciOiJQUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJ0ZW5hbnQiOiJhY21lIiwiZXhwIjo0MTAyNDQ0ODAwfQ."
     "PhfVjAtMZGALIZJ43t84q5rfUd9WH78kt5EehOTzDqpoq8EU7EOoMEWJBPJZea9Zc6X5LnTAe0r1JGSxcqxP5xgRRb28N2NxuU3TwR6"
     "fI2uRJi15EsI0JOWVcSPs2_Lwg22ZOv7AxBfby4l03Pwy1_"
     "1Z6L0H4nbR5dhmGJnUR76DpkdLA72Kr8pj4asUxbm9h6keqIDyMUJG1lUpRq9A3C7a2lqUcWwXy3eViRypQkAUHac6YEQYRJRKo_"
     "AtQZyLgYcGyrfwrmRNLfyyq3Os4GfnXyCw3uHpXX0-43LLo_ObWvUwh8h7x4dJV53wny5VWJ6VGpuJHJ50PQHhZj2lsA"},
    {"PS384", kRsaJwk, kRsaPem,
     "eyJhbGciOiJQUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJ0ZW5hbnQiOiJhY21lIiwiZXhwIjo0MTAyNDQ0ODAwfQ."
     "BybuBIZUViBAsCftpCOCIVInUBvhPbpaqc7BdyBXZ3j98Vj-nNzBRCBOYA-nsJYp8fQ4gkq5gwxc0ST4l158M6i_"
     "FUmqLxB2ymjzFHAm0EKi-fikAZSdWnoCHA3dsrcSTk1eWEZA6DCkKJp0UxCMhXLm50ju52lUdNvJiMzOwlUSUCgY4PTohgXe3Q_"
     "42s7VVT_-WTH5COtU9J4S55BrdYgwUaNhzU1AYoR9jPJM20_sfrWjEnZHTCYdf8kuTeNR8jdTz7XnBoeVVyqPo6-x--"
     "kH5Mrzz92Aao2VpmRMGFsP2BAGwkjscZ8xKsvpFk8qLaYSSN4bJcJ0QDbTtm1q0Q"},
    {"PS512", kRsaJwk, kRsaPem,
     "eyJhbGciOiJQUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJ0ZW5hbnQiOiJhY21lIiwiZXhwIjo0MTAyNDQ0ODAwfQ."
     "Q9lLmXGyVG-Mj6-nnrL3tN4VN1QI9nesPkzva-_B-YmDAGBIM-JnLFLymC-"
     "SrLduU36HOd5j6vwF1YAbILBj2Om69p00nqD26hleAANowxHs6f1Gv4sWKu7Cl22v6CFTKmLJ_Z0wYo1cIYqk-RGc9u6zyn1qNAL_"
     "R7f3UUjEegL_004E1592qGfXYS-llB6zkVsXGBIC0i-FL6gPiGvlrSyUBRg5B5_6X0z8jCLofs_"
     "dgSJzt0xQ6EVCoGqLrBTNxayZ9rIXBXa_GL0oFJ4SQebxhQP0wU-"
     "bhv7njSteRPCIrH0uxWYQQR454iJ9dBfKkR2KSwZPm0qVULm47cI0RA"},
    {"ES256",
     R"({"kty":"EC","x":"cn5Kflr7aElXzsHM0RLAFeUP_HUzY2NxGio_PQP1Fw0","y":"zOky37MAX6SG_mOhb9zVml4LrHYSTxRLrEnOaoLakio","crv":"P-256"})",
     R"(-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEcn5Kflr7aElXzsHM0RLAFeUP/HUz
Y2NxGio/PQP1Fw3M6TLfswBfpIb+Y6Fv3NWaXgusdhJPFEusSc5qgtqSKg==
-----END PUBLIC KEY-----
)",
     "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJ0ZW5hbnQiOiJhY21lIiwiZXhwIjo0MTAyNDQ0ODAwfQ."
     "0ftq-IheHOK175QxYRcI-iGKnpqxcjuQDTEjD5EBEPUTowpl7YFbCjeLh1NahchyqfyHOKbDvN3h0MufXbzpxw"},
    {"ES384",
     R"({"kty":"EC","x":"htGyIZ5PySl0D98gpQcMkO8htCW6ViEoAOGywHHHBxuHJF4sq8yLMq983oxVEyP2","y":"bXpJhCOMe6dmoJSiufBQO47Y0tFfdBZNmnnVuulAEGuJkGx8paft_4csXXjYzqSP","crv":"P-384"})",
     R"(-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEhtGyIZ5PySl0D98gpQcMkO8htCW6ViEo
AOGywHHHBxuHJF4sq8yLMq983oxVEyP2bXpJhCOMe6dmoJSiufBQO47Y0tFfdBZN
mnnVuulAEGuJkGx8paft/4csXXjYzqSP
-----END PUBLIC KEY-----
)",
     "eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJ0ZW5hbnQiOiJhY21lIiwiZXhwIjo0MTAyNDQ0ODAwfQ."
     "g4WjvvFmriB_VG_NlfgXZIu4tfzNANVNmZDC5G19cWcrCCgX86yem2yIjjmLyuQS5vLSRua9mla8R0iBE2h7j0RlOj_"
     "rzwwzcGLYpuoIVwUOSR_GZ1YH_-BdjonZDiSY"},
    {"EdDSA", R"({"crv":"Ed25519","x":"j3H33EHv-F0Yq653xv-DUpCq8k4CIIjMyTq8vCmuCm4","kty":"OKP"})",
     R"(-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAj3H33EHv+F0Yq653xv+DUpCq8k4CIIjMyTq8vCmuCm4=
-----END PUBLIC KEY-----
)",
     "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJ0ZW5hbnQiOiJhY21lIiwiZXhwIjo0MTAyNDQ0ODAwfQ."
     "yVRDjDuO20cDrRs-VGeeliy07DCBNQSK16yLVGfcH9ai9CeUg_FRrPNTHkB6yEaSbuWX4M4Q7BxR_S9p-JcFAQ"},
};

inline constexpr std::string_view kSmallRsa =
    R"({"kty":"RSA","n":"mzmywvr4djSaykcmde9NgMnP0OQlCEI0fsb9Vc-DQk1ZTtadvY9IB-ODwrhAp4qN5yX3XNwNEeGUxSXThADtxe4IRiqg1OoaAsDRUnTZ2K0SVrCr5BVzCWm9Ht8PU1lQF-q5uWpncZSy42GbMAmoM66YcbCdXl92JCn3P9RrbEE","e":"AQAB"})";
inline constexpr std::string_view kP521 =
    R"({"kty":"EC","x":"AfZj9dCn8CUdHQR2mTzi6sBoOfjLRkZvRqFQAianUz6UPEGTGulKKHoPgwXrjmQiE1dQOXV7TOZjH-ghetx_gHrw","y":"AYOv3JDJGj-VLUVWXWWaiJEUufF5hFoYl1IlFOjzEj9rnnn0496PHKrzV8J4zPZFQKu6PwnfuNnGmG0PTLl6zXeu","crv":"P-521"})";
inline constexpr std::string_view kX25519 =
    R"({"crv":"X25519","x":"lxgRV2jDgsqA6Nb_vpHy2njd6D1FXdW7vx_k7U9oc0s","kty":"OKP"})";
inline constexpr std::string_view kPrivateJwk =
    R"({"kty":"EC","x":"Um9ztwe8xCjRRLP-YZS8Tu1FG71r58gds4zeFvnzZww","y":"alCx4LUA0e9W3aL8z7-OcNX2Qt6uBejwlCGxOW3klF4","crv":"P-256","d":"7MqxurnSTDstFLuJs2ID2mOeS78VLTCmzSsDM7S_vS8"})";
// The certificate is by openssl, the others by Node.
inline constexpr std::string_view kCertificate = R"(-----BEGIN CERTIFICATE-----
MIIDBTCCAe2gAwIBAgIUL8OETRYGTB95DWBai/kATqrj2KkwDQYJKoZIhvcNAQEL
BQAwETEPMA0GA1UEAwwGaXNzdWVyMCAXDTI2MTEyODE3MTkwOVoYDzIxMjYxMTA0
MTcxOTA5WjARMQ8wDQYDVQQDDAZpc3N1ZXIwggEiMA0GCSqGSIb3DQEBAQUAA4IB
DwAwggEKAoIBAQCJdrj1SMOBPjm2+/zTT59r7zod/l0NykwKOVWsWzgLzn2ihuJ/
Xl2AWTBMRnMX15I8XKYYPJInYIPg2bC2popXXP4GXLv0LyZWso/bl/jDbBGgr8wy
fnJtHFe1JTOoc33K8h516//gImD6nJ5gs4LHUnDn7FqbFfnuRjaghRZHXA3yHIQy
xjqyjQEInoQPB5Vn1II6JgR+7o0VUFUmwCpkBagiBwVCWv1uyATZYTVkgIW5JvCw
2t9f4BNoDvH2Sm/jWDTvoPLyHz9nXMuoq0D7Gs5YX74/n1PMgha+2cggnImGRjy/
hYYkSPvDOwMbf0nIFLlg3mguZGLSPgDH5l/bAgMBAAGjUzBRMB0GA1UdDgQWBBQQ
XAHWZhkMG8slMWXq2XBhgwsfWjAfBgNVHSMEGDAWgBQQXAHWZhkMG8slMWXq2XBh
gwsfWjAPBgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4IBAQAsiIyDf0Or
5el08NM/sLM+zGXdW1Vas36Ir0PWe9Obl6cuqGoWn+1YUxWz1giKEYmtv+5OUBVR
xZWiNSgoaLSUHPKgQrnPrrVCXqAt4scLwQC51RPCKPLdB7RCpcKyrkZxja+WsHaT
Z/X8O0sUwhV0DolAq8gnZ3HtN5Yf/GXysx6pWalBMNkBisLA1Ya5m1spERbwqRZP
xg/SY0BahwH5guuRXdFHo0yfdVScnYkqU1Res92B/lPWkt7GREb7MSBV2AzjJpn1
Gdb9UYkBBK9i13W3V9hJSAYBzS/3BxGFktrhrJdVZQThOYZfUaseJ7WhGv6Z3OeD
V7RBuM/QmGPj
-----END CERTIFICATE-----
)";
inline constexpr std::string_view kPssPem = R"(-----BEGIN PUBLIC KEY-----
MIIBIDALBgkqhkiG9w0BAQoDggEPADCCAQoCggEBAJJyXdq6RAbnBAln9Y2vKeyA
vxYV33lXR2ZWcZUwcrjVPUiGnFq/hfGxo3UmLLWUOsnFRU77N41/Rkh3l5hm/e5m
KVq48zYOBKAXqGQZpyRxaYGFDNSHnhi7npPM+f2sGlmy+z+acP+5gElS0YmLdd9D
OPSsWRJaVxkFgnNWtB8IRqBK+wMzK8wlfC//1xrNOlSWAyS+ZzDXT1sskuRcdqCE
AXYbJXpBlFAVTPBtIyDxTuF+dDOpa8Ko/GZJ3Wf7/bI6j2CQ34LhYLfpgFyQdpwp
w4JrXFtZYL+p5lHnRbkMtwQtk3qyJ4pVU5b8BJfmlycsAkIsbrgkKXNmJqcujjsC
AwEAAQ==
-----END PUBLIC KEY-----
)";
inline constexpr std::string_view kPkcs1Pem = R"(-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEAm77JcAaOBAVx1YPIlFaKnmIRvsJOsgqd3ExYS5x4lXVh7xXqMyhp
JoGhFQA73k31nE+7uv2NHPq7EMp1bC3RH+8qoMLXjNFqJ2n17x6ONuFgSrvhpHyN
PAPqq2caRNH9DfFiv2ZKFZZC566qaha6TlqNTTI4Ye5no+3xZu+ZLafHP1XWoqgl
mVUPMZL3Ao8FwqUsd3tnXKF3859q7orzRGr/6uLo1kCqRZ+v9oj76/DbcD1LWo0B
WKCDVLXT9AEpqwGzulSzyr2ZyAgrtmRCH1pCJ+oFr5Et9JeyxEsUWtDDhZxgIh3P
50x1ij9mupFaNth4Y9fdAJUTnSKo/1mNhQIDAQAB
-----END RSA PUBLIC KEY-----
)";
inline constexpr std::string_view kPrivatePem = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg7MqxurnSTDstFLuJ
s2ID2mOeS78VLTCmzSsDM7S/vS+hRANCAARSb3O3B7zEKNFEs/5hlLxO7UUbvWvn
yB2zjN4W+fNnDGpQseC1ANHvVt2i/M+/jnDV9kLergXo8JQhsTlt5JRe
-----END PRIVATE KEY-----
)";

}  // namespace tidegate::auth::vectors
