package inventory

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
)

// Redacted is what every way of printing a [Secret] shows.
const Redacted = "[secret]"

// Secret is a value that must not leave its place. All of fmt, encoding/json,
// yaml and slog print [Redacted]; only [Secret.Reveal] gives the value, so that
// one search finds every place where a secret is used.
type Secret struct {
	// value is behind a pointer because fmt looks into fields without asking
	// Format once it meets a verb that does not fit (a pointer to a struct under
	// %q); of a pointer to a string it then shows the address only.
	value *string
	// source is the reference as written ("env:GRAFANA_DB_PASSWORD"), or
	// "literal"; it names the secret in errors and never holds its value.
	source string
}

// NewSecret carries value; source says where it came from ("env:NAME",
// "file:PATH", "cmd", "age" or "literal").
func NewSecret(value, source string) Secret {
	if value == "" {
		return Secret{source: source}
	}
	return Secret{value: &value, source: source}
}

// Reveal returns the value itself.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsSet tells whether there is a value.
func (s Secret) IsSet() bool { return s.value != nil }

// Source says where the value came from, for errors and warnings.
func (s Secret) Source() string { return s.source }

// Fingerprint identifies the value without giving it away: six hexadecimal
// digits, equal for equal values, and too few to confirm a guessed password.
// Empty when there is no value.
func (s Secret) Fingerprint() string {
	if s.value == nil {
		return ""
	}
	mac := hmac.New(sha256.New, []byte("ghadeploy secret fingerprint"))
	mac.Write([]byte(*s.value))
	return hex.EncodeToString(mac.Sum(nil))[:6]
}

// String implements [fmt.Stringer] and shows nothing of the value.
func (s Secret) String() string { return Redacted }

// Format implements [fmt.Formatter], so that no verb (%v, %+v, %#v, %q, %x)
// reaches the fields.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(Redacted)) }

// MarshalText implements [encoding.TextMarshaler] for JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(Redacted) }
