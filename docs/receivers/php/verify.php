<?php

// Checks X-OpsKnight-Signature. Nothing beyond PHP itself.

declare(strict_types=1);

/** Whether $signature (the header's value, or null) is what $secret gives for the raw $body. */
function verify_signature(string $body, ?string $signature, string $secret): bool
{
    $expected = 'sha256=' . hash_hmac('sha256', $body, $secret);
    return hash_equals($expected, $signature ?? '');
}

/**
 * Whether a request is ours, also while the secret is being rotated: then X-OpsKnight-Signature is made with the
 * new secret and X-OpsKnight-Signature-Previous with the old one, so whichever you hold, one of them fits.
 */
function verify_request(string $body, ?string $signature, ?string $previousSignature, string $secret): bool
{
    return verify_signature($body, $signature, $secret) || verify_signature($body, $previousSignature, $secret);
}

// php verify.php <signature> <secret> [previous signature] < body
if (PHP_SAPI === 'cli' && realpath($_SERVER['SCRIPT_FILENAME']) === __FILE__) {
    [, $signature, $secret] = $argv;
    $isValid = verify_request(file_get_contents('php://stdin'), $signature, $argv[3] ?? null, $secret);
    echo $isValid ? "valid\n" : "invalid\n";
    exit($isValid ? 0 : 1);
}
