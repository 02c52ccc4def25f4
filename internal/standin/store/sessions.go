package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"
)

// ErrExpired is returned for a session past its lifetime or logged out.
var ErrExpired = errors.New("token expired")

// Session is a row of user_auth_token.
type Session struct {
	ID, UserID         int64
	RotatedAt, Created time.Time
	// Seen is whether the newest token was used yet.
	Seen bool
}

// hashToken mixes the secret key in, which is why a node with another key
// knows none of the others' sessions (facts 6).
func (s *Store) hashToken(token string) string {
	sum := sha256.Sum256([]byte(token + s.secretKey))
	return hex.EncodeToString(sum[:])
}

// CreateSession makes a session and returns the token for the cookie.
func (s *Store) CreateSession(ctx context.Context, user int64, ip, agent string) (string, error) {
	token := randomHex(16)
	hash, at := s.hashToken(token), time.Now().Unix()
	_, err := s.db.Insert(ctx, "INSERT INTO user_auth_token (user_id, auth_token, prev_auth_token, user_agent, client_ip, auth_token_seen, seen_at, rotated_at, created_at, updated_at, revoked_at) VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, 0)",
		user, hash, hash, agent, ip, false, at, at, at)
	return token, err
}

// Session finds the session of a token or of the one before it. ErrNotFound
// when there is none under this secret key, ErrExpired when it is too old.
func (s *Store) Session(ctx context.Context, token string, maxInactive, maxLifetime time.Duration) (Session, error) {
	var (
		out                       Session
		rotated, created, revoked int64
		current                   string
	)
	hash := s.hashToken(token)
	err := s.db.Row(ctx, "SELECT id, user_id, auth_token, auth_token_seen, rotated_at, created_at, revoked_at FROM user_auth_token WHERE auth_token = ? OR prev_auth_token = ?",
		[]any{hash, hash}, &out.ID, &out.UserID, &current, &out.Seen, &rotated, &created, &revoked)
	if err != nil {
		return out, notFound(err)
	}
	out.RotatedAt, out.Created = time.Unix(rotated, 0), time.Unix(created, 0)
	if revoked > 0 || time.Since(out.RotatedAt) > maxInactive || time.Since(out.Created) > maxLifetime {
		return out, ErrExpired
	}
	if !out.Seen && current == hash {
		_, err = s.db.Exec(ctx, "UPDATE user_auth_token SET auth_token_seen = ?, seen_at = ? WHERE id = ? AND auth_token = ?", true, time.Now().Unix(), out.ID, hash)
	}
	return out, err
}

// RotateSession gives a session a new token; the old one stays good until the next.
func (s *Store) RotateSession(ctx context.Context, id int64, ip, agent string) (string, error) {
	token := randomHex(16)
	n, err := s.db.Exec(ctx, "UPDATE user_auth_token SET seen_at = 0, user_agent = ?, client_ip = ?, prev_auth_token = auth_token, auth_token = ?, auth_token_seen = ?, rotated_at = ? WHERE id = ?",
		agent, ip, s.hashToken(token), false, time.Now().Unix(), id)
	if err == nil && n == 0 {
		return "", ErrNotFound
	}
	return token, err
}

// DeleteSession logs out.
func (s *Store) DeleteSession(ctx context.Context, id int64) error {
	_, err := s.db.Exec(ctx, "DELETE FROM user_auth_token WHERE id = ?", id)
	return err
}
