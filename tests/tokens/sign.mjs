// JSON Web Tokens made by Node's crypto alone: what our verifier is held against.
import { createHmac, generateKeyPairSync, randomBytes, sign, constants } from 'node:crypto';

const base64url = (value) => Buffer.from(value).toString('base64url');
const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };

/// A fresh pair (or secret) for each algorithm: { privateKey, publicKey } or { secret }.
export const make = (algorithm) => {
  const family = algorithm.slice(0, 2);
  if (family === 'HS') return { secret: randomBytes(Number(algorithm.slice(2)) / 8) };
  if (family === 'RS' || family === 'PS') return generateKeyPairSync('rsa', { modulusLength: 2048 });
  if (family === 'ES') return generateKeyPairSync('ec', { namedCurve: algorithm === 'ES256' ? 'P-256' : 'P-384' });
  return generateKeyPairSync('ed25519');
};

/// The public JWK, or the secret's.
export const jwk = (key, more = {}) => (key.secret
  ? { kty: 'oct', k: key.secret.toString('base64url'), ...more }
  : { ...key.publicKey.export({ format: 'jwk' }), ...more });

export const pem = (key) => key.publicKey.export({ type: 'spki', format: 'pem' });

const signature = (algorithm, key, text) => {
  const hash = `sha${algorithm.slice(2)}`;
  const family = algorithm.slice(0, 2);
  if (family === 'HS') return createHmac(hash, key.secret).update(text).digest();
  if (family === 'RS') return sign(hash, text, key.privateKey);
  if (family === 'PS') return sign(hash, text, { key: key.privateKey, ...pss });
  if (family === 'ES') return sign(hash, text, { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
  return sign(null, text, key.privateKey);
};

export const token = (algorithm, key, claims, header = {}) => {
  const text = `${base64url(JSON.stringify({ alg: algorithm, typ: 'JWT', ...header }))}.${base64url(JSON.stringify(claims))}`;
  return `${text}.${signature(algorithm, key, Buffer.from(text)).toString('base64url')}`;
};

export const algorithms = ['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'EdDSA'];
