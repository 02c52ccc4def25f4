package store

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

const dataKeyName = "standin-root"

// DataKey returns the key that secrets are encrypted with, made on the first
// call ever. It is itself encrypted with secret_key: a node with another
// secret_key gets an error here while its health stays ok (facts 6).
func (s *Store) DataKey(ctx context.Context) ([]byte, error) {
	var stored string
	err := s.db.Row(ctx, "SELECT encrypted_data FROM data_keys WHERE name = ?", []any{dataKeyName}, &stored)
	if notFound(err) == ErrNotFound {
		if err := s.makeDataKey(ctx); err != nil {
			return nil, err
		}
		err = s.db.Row(ctx, "SELECT encrypted_data FROM data_keys WHERE name = ?", []any{dataKeyName}, &stored)
	}
	if err != nil {
		return nil, fmt.Errorf("reading data key: %w", err)
	}
	return s.open(stored, s.secretKey)
}

func (s *Store) makeDataKey(ctx context.Context) error {
	sealed, err := s.seal([]byte(randomHex(16)), s.secretKey)
	if err != nil {
		return err
	}
	_, err = s.db.Insert(ctx, "INSERT INTO data_keys (name, active, scope, provider, encrypted_data, created, updated) VALUES (?, ?, 'root', 'secretKey.v1', ?, ?, ?)",
		dataKeyName, true, sealed, now(), now())
	if err != nil {
		var n int
		if s.db.Row(ctx, "SELECT count(*) FROM data_keys WHERE name = ?", []any{dataKeyName}, &n) == nil && n == 1 {
			return nil // another node was faster
		}
	}
	return err
}

// Encrypt seals a secret with the data key.
func (s *Store) Encrypt(ctx context.Context, plain string) (string, error) {
	key, err := s.DataKey(ctx)
	if err != nil {
		return "", err
	}
	return s.seal([]byte(plain), string(key))
}

// Decrypt opens what Encrypt sealed.
func (s *Store) Decrypt(ctx context.Context, sealed string) (string, error) {
	key, err := s.DataKey(ctx)
	if err != nil {
		return "", err
	}
	plain, err := s.open(sealed, string(key))
	return string(plain), err
}

func (s *Store) seal(plain []byte, secret string) (string, error) {
	gcm, err := newGCM(secret)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, gcm.NonceSize())
	_, _ = rand.Read(nonce) // never fails since Go 1.24
	return hex.EncodeToString(gcm.Seal(nonce, nonce, plain, nil)), nil
}

func (s *Store) open(sealed, secret string) ([]byte, error) {
	gcm, err := newGCM(secret)
	if err != nil {
		return nil, err
	}
	b, err := hex.DecodeString(sealed)
	if err != nil || len(b) < gcm.NonceSize() {
		return nil, errors.New("failed to decrypt: not an encrypted value")
	}
	return gcm.Open(nil, b[:gcm.NonceSize()], b[gcm.NonceSize():], nil)
}

func newGCM(secret string) (cipher.AEAD, error) {
	key, err := pbkdf2.Key(sha256.New, secret, []byte("standin"), 1000, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
