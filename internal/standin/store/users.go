package store

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
)

// ErrPassword is returned for a wrong user name or password.
var ErrPassword = errors.New("invalid username or password")

// User is an account.
type User struct {
	ID             int64
	Login          string
	Email          string
	Name           string
	IsAdmin        bool
	OrgID          int64
	password, salt string
}

// EnsureAdmin makes the main organisation and the first administrator when
// there is no user at all, as on the first start ever.
func (s *Store) EnsureAdmin(ctx context.Context, login, email, password string, skipUser bool) (created bool, err error) {
	n, err := s.Count(ctx, "user", "")
	if err != nil {
		return false, fmt.Errorf("could not determine if admin user exists: %w", err)
	}
	if n > 0 {
		return false, nil
	}
	org, err := s.mainOrg(ctx)
	if err != nil {
		return false, fmt.Errorf("failed to create default organization: %w", err)
	}
	if skipUser {
		return false, nil
	}
	if _, err := s.CreateUser(ctx, User{Login: login, Email: email, IsAdmin: true, OrgID: org}, password, "Admin"); err != nil {
		return false, fmt.Errorf("failed to create admin user: %w", err)
	}
	return true, nil
}

func (s *Store) mainOrg(ctx context.Context) (int64, error) {
	var id int64
	if err := s.db.Row(ctx, "SELECT id FROM org WHERE name = ?", []any{"Main Org."}, &id); notFound(err) != ErrNotFound {
		return id, err
	}
	return s.db.Insert(ctx, "INSERT INTO org (version, name, created, updated) VALUES (1, ?, ?, ?)", "Main Org.", now(), now())
}

// CreateUser makes an account with a role in its organisation.
func (s *Store) CreateUser(ctx context.Context, u User, password, role string) (User, error) {
	if _, err := s.UserByLogin(ctx, u.Login); err == nil {
		return u, ErrExists
	}
	salt := randomHex(5)
	hash, err := hashPassword(password, salt)
	if err != nil {
		return u, err
	}
	u.ID, err = s.db.Insert(ctx, "INSERT INTO [user] (version, login, email, name, password, salt, rands, org_id, is_admin, is_disabled, created, updated) VALUES (0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		u.Login, u.Email, u.Name, hash, salt, randomHex(5), u.OrgID, u.IsAdmin, false, now(), now())
	if err != nil {
		return u, err
	}
	_, err = s.db.Insert(ctx, "INSERT INTO org_user (org_id, user_id, role, created, updated) VALUES (?, ?, ?, ?, ?)", u.OrgID, u.ID, role, now(), now())
	return u, err
}

// DeleteUser removes an account with its sessions.
func (s *Store) DeleteUser(ctx context.Context, id int64) error {
	for _, q := range []string{"DELETE FROM user_auth_token WHERE user_id = ?", "DELETE FROM org_user WHERE user_id = ?"} {
		if _, err := s.db.Exec(ctx, q, id); err != nil {
			return err
		}
	}
	n, err := s.db.Exec(ctx, "DELETE FROM [user] WHERE id = ?", id)
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return err
}

const userColumns = "SELECT id, login, email, name, is_admin, org_id, password, salt FROM [user]"

func scanUser(scan func(...any) error) (u User, err error) {
	err = scan(&u.ID, &u.Login, &u.Email, &u.Name, &u.IsAdmin, &u.OrgID, &u.password, &u.salt)
	return u, err
}

// UserByLogin finds an account by login or e-mail.
func (s *Store) UserByLogin(ctx context.Context, login string) (User, error) {
	u, err := scanUser(s.db.QueryRowContext(ctx, s.db.SQL(userColumns+" WHERE login = ? OR email = ?"), login, login).Scan)
	return u, notFound(err)
}

// UserByID finds an account.
func (s *Store) UserByID(ctx context.Context, id int64) (User, error) {
	u, err := scanUser(s.db.QueryRowContext(ctx, s.db.SQL(userColumns+" WHERE id = ?"), id).Scan)
	return u, notFound(err)
}

// Users lists all accounts.
func (s *Store) Users(ctx context.Context) ([]User, error) {
	var out []User
	err := s.db.Each(ctx, func(scan func(...any) error) error {
		u, err := scanUser(scan)
		out = append(out, u)
		return err
	}, userColumns+" ORDER BY id")
	return out, err
}

// CheckPassword returns the account when login and password are right, else ErrPassword.
func (s *Store) CheckPassword(ctx context.Context, login, password string) (User, error) {
	u, err := s.UserByLogin(ctx, login)
	if errors.Is(err, ErrNotFound) {
		return u, ErrPassword
	}
	if err != nil {
		return u, err
	}
	hash, err := hashPassword(password, u.salt)
	if err != nil {
		return u, err
	}
	if subtle.ConstantTimeCompare([]byte(hash), []byte(u.password)) != 1 {
		return u, ErrPassword
	}
	return u, nil
}

// hashPassword is Grafana's: PBKDF2 with SHA-256, 10,000 rounds, 50 bytes, hexadecimal.
func hashPassword(password, salt string) (string, error) {
	b, err := pbkdf2.Key(sha256.New, password, []byte(salt), 10000, 50)
	return hex.EncodeToString(b), err
}
