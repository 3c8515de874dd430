package identity

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// OpenSigner makes a signer of the private key in a file: PEM, PKCS #8, Ed25519.
func OpenSigner(file string) (*Signer, error) {
	key, err := readKey(file, x509.ParsePKCS8PrivateKey)
	if err != nil {
		return nil, err
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the key is a %T, not an Ed25519 private key", key)
	}
	return NewSigner(private)
}

// OpenStatementVerifier makes a verifier of the public key in a file: PEM, PKIX, Ed25519.
func OpenStatementVerifier(file string) (*StatementVerifier, error) {
	key, err := readKey(file, x509.ParsePKIXPublicKey)
	if err != nil {
		return nil, err
	}
	public, ok := key.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("the key is a %T, not an Ed25519 public key", key)
	}
	return NewStatementVerifier(public)
}

func readKey(file string, parse func([]byte) (any, error)) (any, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, errors.New("the file holds no PEM block")
	}
	return parse(block.Bytes)
}
