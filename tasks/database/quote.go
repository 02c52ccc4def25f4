package database

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"golang.org/x/text/secure/precis"
)

// quoteName quotes an identifier: a role, database or table.
func quoteName(kind Kind, name string) string {
	if kind == Postgres {
		return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	}
	return "`" + strings.ReplaceAll(name, "`", "``") + "`"
}

// quoteText quotes a string literal for statements that take no parameters
// (CREATE USER). The backslash is an escape only in MySQL's default sql_mode;
// callers set that mode first.
func quoteText(kind Kind, text string) string {
	if kind == Postgres {
		quoted := `'` + strings.ReplaceAll(text, `'`, `''`) + `'`
		if strings.Contains(text, `\`) {
			return " E" + strings.ReplaceAll(quoted, `\`, `\\`)
		}
		return quoted
	}
	return `'` + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\x00", `\0`).Replace(text) + `'`
}

// scramVerifier is the password as PostgreSQL stores it (RFC 5803), so that the
// statement, which servers with log_statement write to their log, holds nothing
// that logs in.
func scramVerifier(password string) (string, error) {
	const iterations = 4096
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("make a salt: %w", err)
	}
	salted, err := pbkdf2.Key(sha256.New, prepared(password), salt, iterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("derive the password verifier: %w", err)
	}
	sign := func(key []byte, text string) []byte {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	stored := sha256.Sum256(sign(salted, "Client Key"))
	enc := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, enc(salt), enc(stored[:]), enc(sign(salted, "Server Key"))), nil
}

// prepared is the password as SCRAM hashes it (SASLprep), as the driver does: one
// that the profile forbids is taken as it is.
func prepared(password string) string {
	if p, err := precis.OpaqueString.String(password); err == nil {
		return p
	}
	return password
}

// nativeHash is the password as MariaDB stores it (mysql_native_password), so that the
// statement holds nothing that logs in.
func nativeHash(password string) string {
	if password == "" {
		return ""
	}
	once := sha1.Sum([]byte(password))
	twice := sha1.Sum(once[:])
	return "*" + strings.ToUpper(hex.EncodeToString(twice[:]))
}
