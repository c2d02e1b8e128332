// Checks X-OpsKnight-Signature in a time that does not depend on where two signatures differ.

const crypto = require('node:crypto');

/** Whether `signature` (the header's value, or undefined) is what `secret` gives for the raw `body`. */
function verifySignature(body, signature, secret) {
  const expected = Buffer.from('sha256=' + crypto.createHmac('sha256', secret).update(body).digest('hex'));
  const received = Buffer.from(signature ?? '');
  return received.length === expected.length && crypto.timingSafeEqual(received, expected);
}

/**
 * Whether a request is ours, also while the secret is being rotated: then X-OpsKnight-Signature is made with the
 * new secret and X-OpsKnight-Signature-Previous with the old one, so whichever you hold, one of them fits.
 */
function verifyRequest(body, signature, previousSignature, secret) {
  return verifySignature(body, signature, secret) || verifySignature(body, previousSignature, secret);
}

module.exports = { verifySignature, verifyRequest };

// node verify-constant-time.js <signature> <secret> [previous signature] < body
if (require.main === module) {
  const [signature, secret, previousSignature] = process.argv.slice(2);
  const body = require('node:fs').readFileSync(0);
  const isValid = verifyRequest(body, signature, previousSignature, secret);
  console.log(isValid ? 'valid' : 'invalid');
  process.exitCode = isValid ? 0 : 1;
}
