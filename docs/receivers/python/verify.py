"""Checks X-OpsKnight-Signature. Standard library only."""

import hashlib
import hmac
import sys


def verify_signature(body: bytes, signature: str | None, secret: str) -> bool:
    """Whether `signature` (the header's value, or None) is what `secret` gives for the raw `body`."""
    expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    # As bytes: compare_digest refuses texts that are not ASCII, and a stranger may send any.
    return hmac.compare_digest(expected.encode(), (signature or "").encode(errors="replace"))


def verify_request(body: bytes, signature: str | None, previous_signature: str | None, secret: str) -> bool:
    """Whether a request is ours, also while the secret is being rotated.

    Then X-OpsKnight-Signature is made with the new secret and X-OpsKnight-Signature-Previous with the old one,
    so whichever you hold, one of them fits.
    """
    return verify_signature(body, signature, secret) or verify_signature(body, previous_signature, secret)


# python3 verify.py <signature> <secret> [previous signature] < body
if __name__ == "__main__":
    signature, secret, *previous = sys.argv[1:]
    is_valid = verify_request(sys.stdin.buffer.read(), signature, previous[0] if previous else None, secret)
    print("valid" if is_valid else "invalid")
    sys.exit(0 if is_valid else 1)
