// Checks X-OpsKnight-Signature. Standard library only.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
)

// VerifySignature says whether signature (the header's value, or "") is what secret gives for the raw body.
func VerifySignature(body []byte, signature, secret string) bool {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	expected := "sha256=" + hex.EncodeToString(mac.Sum(nil))
	return hmac.Equal([]byte(signature), []byte(expected))
}

// VerifyRequest says whether a request is ours, also while the secret is being rotated: then X-OpsKnight-Signature
// is made with the new secret and X-OpsKnight-Signature-Previous with the old one, so whichever you hold, one fits.
func VerifyRequest(body []byte, signature, previousSignature, secret string) bool {
	return VerifySignature(body, signature, secret) || VerifySignature(body, previousSignature, secret)
}

// go run verify.go <signature> <secret> [previous signature] < body
func main() {
	body, err := io.ReadAll(os.Stdin)
	if err != nil || len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: verify <signature> <secret> [previous signature] < body")
		os.Exit(2)
	}
	previousSignature := ""
	if len(os.Args) > 3 {
		previousSignature = os.Args[3]
	}
	if !VerifyRequest(body, os.Args[1], previousSignature, os.Args[2]) {
		fmt.Println("invalid")
		os.Exit(1)
	}
	fmt.Println("valid")
}
