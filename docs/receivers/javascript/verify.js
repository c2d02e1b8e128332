// Checks X-OpsKnight-Signature the short way. `payload` is the raw body (string or Buffer), never parsed JSON
// turned back into text. verify-constant-time.js is the form for production.

const crypto = require('crypto');

function verifySignature(payload, signature, secret) {
  const expected = crypto.createHmac('sha256', secret).update(payload).digest('hex');
  return `sha256=${expected}` === signature;
}

module.exports = { verifySignature };

// node verify.js <signature> <secret> < body
if (require.main === module) {
  const [signature, secret] = process.argv.slice(2);
  const isValid = verifySignature(require('fs').readFileSync(0), signature, secret);
  console.log(isValid ? 'valid' : 'invalid');
  process.exitCode = isValid ? 0 : 1;
}
