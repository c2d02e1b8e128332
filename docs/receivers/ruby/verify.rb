# frozen_string_literal: true

# Checks X-OpsKnight-Signature. Standard library only.

require "openssl"

module OpsKnightSignature
  # Whether `signature` (the header's value, or nil) is what `secret` gives for the raw `body`.
  def self.verify_signature(body, signature, secret)
    expected = "sha256=#{OpenSSL::HMAC.hexdigest("SHA256", secret, body)}"
    OpenSSL.secure_compare(expected, signature.to_s)
  end

  # Whether a request is ours, also while the secret is being rotated: then X-OpsKnight-Signature is made with the
  # new secret and X-OpsKnight-Signature-Previous with the old one, so whichever you hold, one of them fits.
  def self.verify_request(body, signature, previous_signature, secret)
    verify_signature(body, signature, secret) || verify_signature(body, previous_signature, secret)
  end
end

# ruby verify.rb <signature> <secret> [previous signature] < body
if $PROGRAM_NAME == __FILE__
  signature, secret, previous_signature = ARGV
  is_valid = OpsKnightSignature.verify_request($stdin.binmode.read, signature, previous_signature, secret)
  puts is_valid ? "valid" : "invalid"
  exit is_valid
end
